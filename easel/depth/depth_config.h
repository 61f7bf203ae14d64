// DepthConfig: the sizes of a DPT-hybrid depth network (Ranftl et al. 2021), as MiDaS 3.0 and SD 2 depth use it.
#pragma once

#include <array>
#include <cstdint>

#include "easel/checkpoint/weights.h"

namespace easel {

struct DepthConfig {
  // The same in every DPT-hybrid.
  static constexpr std::array<int64_t, 3> kStageBlocks{3, 4, 9};
  static constexpr int64_t kTransformers = 12;
  static constexpr int64_t kHeadDim = 64;
  static constexpr int64_t kPatch = 16;  // pixels along each side of what one token stands for

  int64_t stem_channels;
  std::array<int64_t, 3> stage_channels;  // at 1/4, 1/8 and 1/16 of the image's size
  int64_t width;                          // of a token
  int64_t mlp_width;
  int64_t position_side;                  // learned positions along each side
  std::array<int64_t, 2> token_channels;  // that the two token levels are reduced to
  int64_t features;                       // channels of the decoder
  int64_t head_channels;                  // before the last layer

  // Reads the sizes off the weights ("depth_model.model"). Throws Error bad_checkpoint.
  static DepthConfig from(const Weights& weights);
};

}  // namespace easel
