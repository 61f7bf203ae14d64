// The EXIF tag Orientation: how a picture must be turned and mirrored to stand upright.
#pragma once

#include "easel/image/image.h"

namespace easel {

// 1 is upright, 2..8 as in EXIF 2.3; other values change nothing.
template <int kChannels>
Raster<kChannels> oriented(Raster<kChannels> image, int orientation);

}  // namespace easel
