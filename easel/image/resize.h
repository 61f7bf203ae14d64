// Resizing, bit for bit as Pillow's Image.resize.
#pragma once

#include "easel/image/image.h"

namespace easel {

enum class ResizeFilter { nearest, bilinear, bicubic, lanczos };

// Separable, horizontal first, with 8-bit values between; shrinking widens the filter. `size` is not empty.
template <int kChannels>
Raster<kChannels> resize(const Raster<kChannels>& image, Size size, ResizeFilter filter);

}  // namespace easel
