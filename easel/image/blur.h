// Blurs for masks and for fills under a mask.
#pragma once

#include "easel/image/image.h"

namespace easel {

// Pillow's GaussianBlur, bit for bit: three box blurs of fractional width (Gwosdek et al. 2011), which differ from a
// true Gaussian by a few of 255. `radius_px` is the standard deviation, >= 0; edges repeat. Time does not depend on the
// radius.
template <int kChannels>
Raster<kChannels> gaussian_blur(const Raster<kChannels>& image, float radius_px);

}  // namespace easel
