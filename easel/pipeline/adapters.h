// Files that change what a checkpoint draws, by name: LoRAs, textual-inversion embeddings, ControlNets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

enum class AdapterKind { lora, embedding, control_net };
std::string_view name_of(AdapterKind kind);         // "LoRA"
std::string_view folder_name_of(AdapterKind kind);  // "loras"

struct AdapterFile {
  AdapterKind kind;
  std::string name;  // the file's, without its ending
  std::filesystem::path path;
  uint64_t bytes;
};

// Whether `path` lies in a folder for adapters ("loras", "embeddings", "controlnet") below one for models.
bool is_adapter_path(const std::filesystem::path& path);

// Those that ship with the program and those in the folders `loras`, `embeddings` and `controlnet` of model_folders()
// (`lora` and the like are understood too), sorted by name. Of several with the same name the first one found counts.
std::vector<AdapterFile> list_adapters(AdapterKind kind);

// Where people put files of a kind.
std::vector<std::filesystem::path> adapter_folders(AdapterKind kind);

// The adapters that a pipeline may use: those listed, and files that were named when it was opened.
class AdapterShelf {
 public:
  explicit AdapterShelf(std::vector<AdapterFile> named = {}) : named_(std::move(named)) {}

  // Throws Error not_found that suggests the nearest name, or says where to put files.
  AdapterFile find(AdapterKind kind, std::string_view name) const;
  std::vector<AdapterFile> all(AdapterKind kind) const;

 private:
  std::vector<AdapterFile> named_;
};

// A file that a program was given. Throws Error not_found.
AdapterFile adapter_file(AdapterKind kind, const std::filesystem::path& path);

}  // namespace easel
