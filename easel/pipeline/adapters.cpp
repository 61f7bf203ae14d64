#include "easel/pipeline/adapters.h"

#include <algorithm>
#include <array>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/assets.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

constexpr std::array kEndings = {".safetensors", ".ckpt", ".pt", ".pth", ".bin"};

struct Folder {
  AdapterKind kind;
  std::array<std::string_view, 3> names;  // in lower case; the first is the usual one
};
constexpr std::array kFolders = {Folder{AdapterKind::lora, {"loras", "lora", "lycoris"}},
                                 Folder{AdapterKind::embedding, {"embeddings", "embedding", "textual_inversion"}},
                                 Folder{AdapterKind::control_net, {"controlnet", "controlnets", "control_net"}}};

const Folder& folder_of(AdapterKind kind) {
  return *std::find_if(kFolders.begin(), kFolders.end(), [&](const Folder& folder) { return folder.kind == kind; });
}

bool is_named(const fs::path& folder, const Folder& as) {
  return std::find(as.names.begin(), as.names.end(), lower_ascii(folder.filename().string())) != as.names.end();
}

bool is_adapter_file(const fs::path& path) {
  std::error_code ignored;
  const std::string ending = lower_ascii(path.extension().string());
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end() && fs::is_regular_file(path, ignored);
}

AdapterFile describe(AdapterKind kind, const fs::path& path) {
  std::error_code ignored;
  const auto bytes = fs::file_size(path, ignored);
  return {.kind = kind, .name = path.stem().string(), .path = path, .bytes = ignored ? 0 : bytes};
}

void add_files(std::vector<AdapterFile>& out, AdapterKind kind, const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, ignored);
  for (; entry != fs::recursive_directory_iterator(); entry.increment(ignored)) {
    if (is_adapter_file(entry->path())) files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) out.push_back(describe(kind, file));
}

std::vector<fs::path> subfolders(const fs::path& parent, const Folder& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  fs::directory_iterator entry(parent, fs::directory_options::skip_permission_denied, ignored);
  for (; entry != fs::directory_iterator(); entry.increment(ignored)) {
    if (is_named(entry->path(), folder) && fs::is_directory(entry->path(), ignored)) found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Sorted by name; of equal names the first stays.
std::vector<AdapterFile> unique_names(std::vector<AdapterFile> files) {
  std::stable_sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto same = [](const auto& a, const auto& b) { return a.name == b.name; };
  files.erase(std::unique(files.begin(), files.end(), same), files.end());
  return files;
}

}  // namespace

std::string_view name_of(AdapterKind kind) {
  switch (kind) {
    case AdapterKind::lora: return "LoRA";
    case AdapterKind::embedding: return "embedding";
    case AdapterKind::control_net: break;
  }
  return "ControlNet";
}

std::string_view folder_name_of(AdapterKind kind) { return folder_of(kind).names.front(); }

bool is_adapter_path(const fs::path& path) {
  for (const fs::path& part : path.parent_path()) {
    if (std::any_of(kFolders.begin(), kFolders.end(), [&](const Folder& folder) { return is_named(part, folder); })) {
      return true;
    }
  }
  return false;
}

std::vector<fs::path> adapter_folders(AdapterKind kind) {
  std::vector<fs::path> folders;
  for (const fs::path& models : model_folders()) folders.push_back(models / folder_name_of(kind));
  return folders;
}

std::vector<AdapterFile> list_adapters(AdapterKind kind) {
  std::vector<AdapterFile> files;
  for (const fs::path& models : model_folders()) {
    for (const fs::path& folder : subfolders(models, folder_of(kind))) add_files(files, kind, folder);
  }
  if (const auto starter = find_asset(kStarterModel)) {
    add_files(files, kind, starter->parent_path() / "adapters" / folder_name_of(kind));
  }
  return unique_names(std::move(files));
}

std::vector<AdapterFile> AdapterShelf::all(AdapterKind kind) const {
  std::vector<AdapterFile> files;
  std::ranges::copy_if(named_, std::back_inserter(files), [&](const AdapterFile& file) { return file.kind == kind; });
  std::ranges::copy(list_adapters(kind), std::back_inserter(files));
  return unique_names(std::move(files));
}

AdapterFile AdapterShelf::find(AdapterKind kind, std::string_view name) const {
  std::vector<std::string> known;
  for (const AdapterFile& file : all(kind)) {
    if (file.name == name || file.path.filename() == name) return file;
    known.push_back(file.name);
  }
  const auto nearest = nearest_name(name, known);
  std::vector<std::string> folders;
  for (const fs::path& folder : adapter_folders(kind)) folders.push_back(folder.string());
  throw Error(ErrorCode::not_found, "there is no {} named '{}'{}; they are looked for in {}", name_of(kind), name,
              nearest ? fmt::format("; did you mean {}?", *nearest)
                      : (known.empty() ? "" : fmt::format("; known are {}", join_shortened(known, 8))),
              join_shortened(folders, 4));
}

AdapterFile adapter_file(AdapterKind kind, const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return describe(kind, path);
  throw Error(ErrorCode::not_found, "{}: there is no such file", path.string());
}

}  // namespace easel
