// From a picture to what the depth network sees, and from its depth map to what the SD 2 depth UNet is told.
#pragma once

#include <cstdint>

#include "easel/tensor/tensor.h"

namespace easel {

inline constexpr int64_t kDepthTargetPx = 384;  // side of the pictures that the depth network was trained with

struct DepthInputSize {
  int64_t height_px;
  int64_t width_px;
};

// The size at which the network looks at a picture: scaled by what brings the side that is nearer to `target_px` to it,
// then each side to the nearest multiple of 32 (half to even, at least 32).
DepthInputSize depth_input_size(int64_t height_px, int64_t width_px, int64_t target_px = kDepthTargetPx);

// image [1, h, w, 3] in [-1, 1] -> the same of depth_input_size(), bicubic; values may overshoot the range.
Tensor depth_input(const Tensor& image, int64_t target_px = kDepthTargetPx);

// The depth channel of the SD 2 depth UNet: the map at the latent's size (bicubic), then stretched to reach from -1 at
// its farthest to 1 at its nearest pixel. A map that is the same everywhere tells nothing and becomes 0. depth [1, h,
// w, 1] -> [1, rows, columns, 1]
Tensor depth_channel(const Tensor& depth, int64_t rows, int64_t columns);

}  // namespace easel
