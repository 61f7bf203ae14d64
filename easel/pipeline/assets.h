// Files that ship with the program, and where people keep their checkpoints.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace easel {

inline constexpr const char* kStarterModel = "starter.safetensors";
inline constexpr const char* kStarterTinyVae = "starter-tiny-vae.safetensors";
inline constexpr const char* kBpeMerges = "bpe_simple_vocab_16e6.txt.gz";

// In $EASEL_ASSETS if that is set; otherwise in assets/ or share/easel/ beside the program or a folder above it, which
// is where the source tree, a build tree and an installation keep them.
std::optional<std::filesystem::path> find_asset(const std::string& name);
// Throws Error not_found that names the places looked at.
std::filesystem::path require_asset(const std::string& name);

// $EASEL_MODELS, ~/.local/share/easel/models and ./models, whether or not they exist.
std::vector<std::filesystem::path> model_folders();

struct ModelFile {
  std::filesystem::path path;
  uint64_t bytes;
  bool is_starter;
};
// Model files in model_folders() without adapters (adapters.h), sorted by name, and the starter model first if there is
// one.
std::vector<ModelFile> list_models();

// A file as given, or the model of that name in model_folders(), with or without its ending. Nothing: the starter
// model. Throws Error not_found that suggests the nearest name or says how to get a model.
std::filesystem::path find_model(const std::optional<std::filesystem::path>& name);

}  // namespace easel
