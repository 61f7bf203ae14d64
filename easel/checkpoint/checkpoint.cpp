#include "easel/checkpoint/checkpoint.h"

#include <algorithm>
#include <array>

#include "easel/base/error.h"
#include "easel/checkpoint/contents.h"
#include "easel/checkpoint/file_kind.h"
#include "easel/checkpoint/gguf.h"
#include "easel/checkpoint/safetensors.h"
#include "easel/checkpoint/torch_file.h"

namespace easel {
namespace {

bool lies_in(std::span<const std::byte> part, std::span<const std::byte> whole) {
  return !part.empty() && part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

bool before(const WeightData& a, const WeightData& b) { return a.name < b.name; }

// Pruning tools of 2022 saved the text encoder without its `text_model` level.
void use_current_name(std::string& name) {
  static constexpr std::string_view kTextEncoder = "cond_stage_model.transformer.";
  static constexpr std::array<std::string_view, 3> kChildren{"embeddings.", "encoder.", "final_layer_norm."};
  if (!name.starts_with(kTextEncoder)) return;
  const std::string_view rest = std::string_view(name).substr(kTextEncoder.size());
  if (std::any_of(kChildren.begin(), kChildren.end(), [&](std::string_view c) { return rest.starts_with(c); })) {
    name.insert(kTextEncoder.size(), "text_model.");
  }
}

}  // namespace

std::string_view name_of(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::safetensors: return "safetensors";
    case CheckpointFormat::gguf: return "GGUF";
    case CheckpointFormat::torch_zip: return "ckpt (zip)";
    case CheckpointFormat::torch_legacy: return "ckpt (before PyTorch 1.6)";
    case CheckpointFormat::memory: break;
  }
  return "memory";
}

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
  auto mapping = MappedFile::open(path);
  const auto checkpoint = std::const_pointer_cast<Checkpoint>(parse(mapping->name(), mapping->bytes(), mapping));
  for (WeightData& tensor : checkpoint->tensors_) {
    if (lies_in(tensor.bytes, mapping->bytes())) tensor.mapping = mapping.get();
  }
  checkpoint->mapping_ = std::move(mapping);
  return checkpoint;
}

std::shared_ptr<const Checkpoint> Checkpoint::parse(std::string file, std::span<const std::byte> bytes,
                                                    std::shared_ptr<const void> owner) {
  const Source source{.name = file, .bytes = bytes, .owner = std::move(owner)};
  const std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->file_ = std::move(file);
  checkpoint->file_bytes_ = bytes.size();
  checkpoint->format_ = checkpoint_format(source);
  Contents contents;
  switch (checkpoint->format_) {
    case CheckpointFormat::safetensors: contents = read_safetensors(source); break;
    case CheckpointFormat::gguf: contents = read_gguf(source); break;
    case CheckpointFormat::torch_zip: contents = read_torch_zip(source); break;
    case CheckpointFormat::torch_legacy: contents = read_torch_legacy(source); break;
    case CheckpointFormat::memory: EASEL_ASSERT(false);
  }
  if (contents.tensors.empty()) throw Error(ErrorCode::bad_checkpoint, "{}: holds no tensors", source.name);
  checkpoint->metadata_ = std::move(contents.metadata);
  checkpoint->ema_tensor_count_ = contents.ema_tensor_count;
  checkpoint->set_tensors(std::move(contents.tensors));
  return checkpoint;
}

std::shared_ptr<const Checkpoint> Checkpoint::from_tensors(std::string file, std::vector<WeightData> tensors,
                                                           std::map<std::string, std::string> metadata) {
  const std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->file_ = std::move(file);
  checkpoint->metadata_ = std::move(metadata);
  for (const WeightData& tensor : tensors) checkpoint->file_bytes_ += tensor.bytes.size();
  checkpoint->set_tensors(std::move(tensors));
  return checkpoint;
}

void Checkpoint::set_tensors(std::vector<WeightData> tensors) {
  ema_tensor_count_ += static_cast<int64_t>(
      std::erase_if(tensors, [](const WeightData& tensor) { return tensor.name.starts_with(kEmaPrefix); }));
  for (WeightData& tensor : tensors) use_current_name(tensor.name);
  std::sort(tensors.begin(), tensors.end(), before);
  const auto same = std::adjacent_find(tensors.begin(), tensors.end(),
                                       [](const WeightData& a, const WeightData& b) { return a.name == b.name; });
  if (same != tensors.end()) {
    throw Error(ErrorCode::bad_checkpoint, "{}: two tensors are named {}", file_, in_quotes(same->name));
  }
  tensors_ = std::move(tensors);
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const WeightData& tensor : tensors_) names.push_back(tensor.name);
  return names;
}

const WeightData* Checkpoint::find(std::string_view name) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const WeightData& tensor, std::string_view n) { return tensor.name < n; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

bool Checkpoint::has_prefix(std::string_view prefix) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), prefix,
                                   [](const WeightData& tensor, std::string_view p) { return tensor.name < p; });
  return at != tensors_.end() && at->name.starts_with(prefix);
}

}  // namespace easel
