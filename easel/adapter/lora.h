// Lora: a file of low-rank changes to a model's weights (Hu et al. 2021), also of convolutions (LoCon).
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

enum class LoraPart { unet, text_encoder, unknown };  // unknown: the name does not tell

// One layer's change: scale * up @ down, or up @ mid @ down where a window is decomposed too (CP decomposition).
struct LoraLayer {
  std::string name;  // as in the file, without what tells up from down
  std::string key;   // for LoraTargets: points and underscores are one, prefixes are gone
  LoraPart part = LoraPart::unknown;
  const WeightData* down = nullptr;  // [rank, in], [rank, in, kh, kw], or with mid [rank, in, 1, 1]
  const WeightData* up = nullptr;    // [out, rank] or [out, rank, 1, 1]
  const WeightData* mid = nullptr;   // [rank, rank, kh, kw]
  double scale = 1.0;                // alpha / rank, from the file's tensors or metadata

  int64_t rank() const { return down->shape.dim(0); }
};

// Understands the names of kohya's trainers (`lora_unet_..._to_q.lora_down.weight`, also with the original layout's
// block names), of LyCORIS (LoCon), of diffusers and PEFT (`unet....to_q.lora_A.weight`, `.lora.down.weight`,
// `processor.to_q_lora.down.weight`), and the metadata of the last two.
class Lora {
 public:
  // Throws Error not_found, io_failure or bad_checkpoint: no LoRA, a kind that is not supported (LoHa, LoKr, DoRA,
  // ...), halves of pairs missing, shapes that do not fit each other.
  static std::shared_ptr<const Lora> open(const std::filesystem::path& file);
  explicit Lora(std::shared_ptr<const Checkpoint> checkpoint);

  const std::string& file() const { return checkpoint_->file(); }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  std::span<const LoraLayer> layers() const { return layers_; }

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::vector<LoraLayer> layers_;  // sorted by name
};

bool is_lora(const Checkpoint& checkpoint);

}  // namespace easel
