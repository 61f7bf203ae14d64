#include "easel/pipeline/lora_library.h"

#include "easel/pipeline/model_hash.h"

namespace easel {
namespace {

constexpr size_t kHashDigits = 12;

}  // namespace

LoraLibrary::Entry& LoraLibrary::entry(const AdapterShelf& shelf, const LoraChoice& choice) {
  const AdapterFile file = shelf.find(AdapterKind::lora, choice.name);
  std::error_code ignored;
  const int64_t changed = std::filesystem::last_write_time(file.path, ignored).time_since_epoch().count();
  const std::string path = file.path.string();
  const auto known = entries_.find(path);
  if (known != entries_.end() && known->second.bytes == file.bytes && known->second.changed == changed) {
    return known->second;
  }
  Entry entry{.bytes = file.bytes, .changed = changed, .lora = Lora::open(file.path), .hash = {}};
  return entries_.insert_or_assign(path, std::move(entry)).first->second;
}

std::vector<LoraUse> LoraLibrary::open(const AdapterShelf& shelf, const std::vector<LoraChoice>& choices) {
  std::vector<LoraUse> uses;
  for (const LoraChoice& choice : choices) {
    uses.push_back({.lora = entry(shelf, choice).lora,
                    .unet_weight = choice.unet_weight,
                    .text_encoder_weight = choice.text_encoder_weight});
  }
  return uses;
}

std::string LoraLibrary::hashes(const AdapterShelf& shelf, const std::vector<LoraChoice>& choices) {
  std::string out;
  for (const LoraChoice& choice : choices) {
    Entry& found = entry(shelf, choice);
    if (found.hash.empty()) found.hash = file_sha256(found.lora->file(), model_hash_cache()).substr(0, kHashDigits);
    if (out.find(fmt::format("{}: ", choice.name)) != std::string::npos) continue;
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", choice.name, found.hash);
  }
  return out;
}

}  // namespace easel
