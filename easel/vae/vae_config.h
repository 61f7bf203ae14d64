// VaeConfig: the sizes of one half of a Stable Diffusion VAE.
#pragma once

#include <cstdint>
#include <vector>

#include "easel/checkpoint/weights.h"
#include "easel/ops/ops.h"
#include "easel/vae/bands.h"

namespace easel {

struct VaeConfig {
  int64_t latent_channels = 4;               // in every family
  std::vector<int64_t> level_channels;       // finest first; each level below halves the size
  int64_t stem_channels = 0;                 // what the encoder makes of the image first; the decoder has none
  int64_t res_blocks = 2;                    // per level of the encoder; the decoder has one more
  PaddingMode padding = PaddingMode::zeros;  // of all convolutions: a choice, not read off the weights
  VaeBands bands = VaeBands::none;           // likewise; the result is the same but for rounding

  // Pixels along each side of what one latent pixel stands for: 8, or 4 in the x4 upscaler.
  int64_t factor() const { return int64_t{1} << (level_channels.size() - 1); }

  // Read the sizes off the weights ("first_stage_model"). Throw Error bad_checkpoint.
  static VaeConfig of_decoder(const Weights& weights);
  static VaeConfig of_encoder(const Weights& weights);
};

}  // namespace easel
