#include "easel/pipeline/assets.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/pipeline/adapters.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

constexpr int kFoldersAbove = 4;
constexpr std::array kModelEndings = {".safetensors", ".gguf", ".ckpt", ".pt", ".pth"};

// Expected absence and unreadable folders are the same here.
bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::vector<fs::path> asset_folders() {
  if (const char* folder = std::getenv("EASEL_ASSETS"); folder != nullptr && *folder != '\0') return {folder};
  std::vector<fs::path> folders;
  fs::path at = executable_path().parent_path();
  for (int i = 0; i < kFoldersAbove && !at.empty(); ++i) {
    folders.push_back(at / "assets");
    folders.push_back(at / "share" / "easel");
    if (at == at.parent_path()) break;
    at = at.parent_path();
  }
  return folders;
}

bool is_model_file(const fs::path& path) {
  const std::string ending = lower_ascii(path.extension().string());
  return std::find(kModelEndings.begin(), kModelEndings.end(), ending) != kModelEndings.end() && is_file(path);
}

std::vector<fs::path> model_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, ignored);
  for (; entry != fs::recursive_directory_iterator(); entry.increment(ignored)) {
    const fs::path& path = entry->path();
    if (is_model_file(path) && !is_adapter_path(path.lexically_relative(folder))) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string joined(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) names.push_back(folder.string());
  return join_shortened(names, 4);
}

fs::path find_starter() {
  if (const auto starter = find_asset(kStarterModel)) return *starter;
  throw Error(
      ErrorCode::not_found,
      "there is no starter model ({}) with this program; give a checkpoint with --ckpt FILE, or put one into {}",
      kStarterModel, joined(model_folders()));
}

}  // namespace

std::optional<fs::path> find_asset(const std::string& name) {
  for (const fs::path& folder : asset_folders()) {
    if (is_file(folder / name)) return (folder / name).lexically_normal();
  }
  return std::nullopt;
}

fs::path require_asset(const std::string& name) {
  if (auto found = find_asset(name)) return *found;
  throw Error(ErrorCode::not_found, "{} is missing; looked in {}; set EASEL_ASSETS to the folder that holds it", name,
              joined(asset_folders()));
}

std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  if (const char* folder = std::getenv("EASEL_MODELS"); folder != nullptr && *folder != '\0') folders.push_back(folder);
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    folders.push_back(fs::path(home) / ".local" / "share" / "easel" / "models");
  }
  folders.push_back("models");
  return folders;
}

std::vector<ModelFile> list_models() {
  std::vector<ModelFile> models;
  const auto add = [&](const fs::path& path, bool is_starter) {
    std::error_code ignored;
    models.push_back({.path = path, .bytes = fs::file_size(path, ignored), .is_starter = is_starter});
  };
  if (const auto starter = find_asset(kStarterModel)) add(*starter, true);
  for (const fs::path& folder : model_folders()) {
    for (const fs::path& file : model_files(folder)) add(file, false);
  }
  return models;
}

fs::path find_model(const std::optional<fs::path>& name) {
  if (!name) return find_starter();
  std::error_code ignored;
  if (fs::exists(*name, ignored)) return *name;
  std::vector<std::string> known;
  for (const ModelFile& model : list_models()) {
    if (model.path.filename() == *name || model.path.stem() == *name) return model.path;
    known.push_back(model.path.filename().string());
  }
  const auto nearest = nearest_name(name->filename().string(), known);
  throw Error(ErrorCode::not_found, "{}: there is no such file, nor a model of that name in {}{}", name->string(),
              joined(model_folders()), nearest ? fmt::format("; did you mean {}?", *nearest) : "");
}

}  // namespace easel
