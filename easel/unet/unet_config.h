// UNetConfig: the sizes of a Stable Diffusion UNet.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "easel/checkpoint/weights.h"
#include "easel/ops/ops.h"

namespace easel {

// The blocks that work at one size; each level below halves the size.
struct UNetLevel {
  int64_t channels;
  bool has_transformers;
  bool self_attention = true;  // false: attn1 looks at the prompt too (`disable_self_attentions` of the x4 upscaler)
};

struct UNetConfig {
  int64_t in_channels = 4;   // 5 with depth, 7 with a low-resolution image, 9 with a mask and a masked image
  int64_t out_channels = 4;  // of the latent, in every family
  int64_t model_channels = 320;
  std::vector<UNetLevel> levels;  // finest first
  int64_t res_blocks = 2;         // per level on the way down; one more on the way up
  int64_t transformer_depth = 1;
  int64_t context_width = 768;
  std::optional<int64_t> fixed_heads = 8;    // otherwise as many as give each 64 channels
  int64_t classes = 0;                       // rows of label_emb: noise levels of the x4 upscaler; 0: none
  PaddingMode padding = PaddingMode::zeros;  // of all convolutions: a choice, not read off the weights

  int64_t time_width() const { return 4 * model_channels; }
  int64_t heads(int64_t channels) const { return fixed_heads ? *fixed_heads : channels / 64; }
  // Skip connections from the way down to the way up.
  int64_t branches() const { return static_cast<int64_t>(levels.size()) * (res_blocks + 1); }
  // The level of output_blocks.INDEX, 0 the finest.
  size_t output_level(int64_t index) const { return levels.size() - 1 - static_cast<size_t>(index / (res_blocks + 1)); }
  // Latent sizes must be multiples of this.
  int64_t size_divisor() const { return int64_t{1} << (levels.size() - 1); }

  // Reads the sizes off the weights ("model.diffusion_model"). Throws Error bad_checkpoint.
  static UNetConfig from(const Weights& weights);
};

// Channels of every input block's output, that of the first convolution first: what the output blocks take as skips.
std::vector<int64_t> skip_channels(const UNetConfig& config);

}  // namespace easel
