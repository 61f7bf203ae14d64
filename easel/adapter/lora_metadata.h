// LoraMetadata: what diffusers writes about a LoRA beside its tensors, from PEFT's configuration.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "easel/adapter/lora.h"

namespace easel {

class LoraMetadata {
 public:
  // Of the entry `lora_adapter_metadata` of a safetensors file; nothing if there is none. Throws Error bad_checkpoint
  // where that is not understood.
  static std::optional<LoraMetadata> of(const Checkpoint& checkpoint);

  // What the change of a module is multiplied by: alpha / rank, or alpha / sqrt(rank) with `use_rslora`; nothing if the
  // metadata does not tell. module: "down_blocks.0....attn1.to_q". Throws Error bad_checkpoint if the metadata has
  // another rank than the tensors.
  std::optional<double> scale(LoraPart part, std::string_view module, int64_t rank) const;

 private:
  using Patterns = std::vector<std::pair<std::string, double>>;  // in the order of the file: the first that fits counts
  struct Config {
    std::optional<double> rank;
    std::optional<double> alpha;
    Patterns rank_pattern;
    Patterns alpha_pattern;
    bool by_square_root = false;
  };
  const Config& config(LoraPart part) const { return configs_[static_cast<size_t>(part)]; }

  std::string file_;
  std::array<Config, 3> configs_;  // by LoraPart; unknown: of names without "unet." and the like
};

}  // namespace easel
