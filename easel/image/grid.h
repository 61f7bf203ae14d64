// Several images as one.
#pragma once

#include <span>

#include "easel/image/image.h"

namespace easel {

// The grid of the original scripts (torchvision's make_grid): `columns` images per row, black lines of 2 pixels between
// and around them; empty cells are black. A single image is returned as it is. Throws Error invalid_request if the
// images differ in size or if the grid would have more than kMaxImageBytes (codec.h).
Image make_grid(std::span<const Image> images, int64_t columns);

}  // namespace easel
