// Which models clients may choose from, by name only: a request never opens a path of its own.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "server/jobs/model_uses.h"

namespace easel::server {

struct ModelEntry {
  std::filesystem::path file;
  uint64_t bytes;
  bool is_default;
  ModelUse use = {};

  std::string title() const { return file.filename().string(); }  // unique in the catalog
  std::string name() const { return file.stem().string(); }
};

struct UpscalerEntry {
  std::filesystem::path file;  // empty: Lanczos
  uint64_t bytes = 0;
  UpscalerKind kind = UpscalerKind::lanczos;
  int64_t scale = 1;

  std::string title() const { return file.filename().string(); }
  std::string name() const { return file.empty() ? std::string(name_of(kind)) : file.stem().string(); }
};

class ModelCatalog {
 public:
  // default_model: any file. Throws Error not_found if it does not exist.
  explicit ModelCatalog(std::filesystem::path default_model);

  // Those that draw: the default first, then those of the models folders (pipeline/assets.h) as they are now.
  std::vector<ModelEntry> list() const;
  // Lanczos, then the networks and x4 upscaler checkpoints of the models folders.
  std::vector<UpscalerEntry> list_upscalers() const;
  // VAEs alone, which replace a checkpoint's own.
  std::vector<ModelEntry> list_vaes() const;

  const std::filesystem::path& default_model() const { return default_model_; }

  // Any model file by title or name, ignoring case; nothing: the default. Throws Error not_found that suggests the
  // nearest.
  std::filesystem::path resolve(const std::optional<std::string>& name) const;
  std::optional<std::filesystem::path> find(const std::string& name) const;
  // Likewise; nothing: Lanczos.
  UpscalerEntry resolve_upscaler(const std::optional<std::string>& name) const;
  std::filesystem::path resolve_vae(const std::string& name) const;
  // A name of Request::hires_upscaler, of whatever case. Throws Error not_found as above, and invalid_request for an
  // upscaler that does not go between two passes.
  std::string resolve_hires_upscaler(const std::string& name) const;

  ModelUse use_of(const std::filesystem::path& file) const { return uses_.of(file); }

 private:
  std::vector<ModelEntry> all_files() const;

  std::filesystem::path default_model_;
  ModelUses uses_;
};

}  // namespace easel::server
