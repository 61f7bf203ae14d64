// Which checkpoints clients may choose from, by name only: a request never opens a path of its own.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace easel::server {

struct ModelEntry {
  std::filesystem::path file;
  uint64_t bytes;
  bool is_default;

  std::string title() const { return file.filename().string(); }  // unique in the catalog
  std::string name() const { return file.stem().string(); }
};

class ModelCatalog {
 public:
  // default_model: any file. Throws Error not_found if it does not exist.
  explicit ModelCatalog(std::filesystem::path default_model);

  // The default first, then those of the models folders (pipeline/assets.h) as they are now.
  std::vector<ModelEntry> list() const;

  const std::filesystem::path& default_model() const { return default_model_; }

  // By title or name, ignoring case; nothing: the default. Throws Error not_found that suggests the nearest.
  std::filesystem::path resolve(const std::optional<std::string>& name) const;
  std::optional<std::filesystem::path> find(const std::string& name) const;

 private:
  std::filesystem::path default_model_;
};

}  // namespace easel::server
