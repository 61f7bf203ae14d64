#include "easel/image/orientation.h"

#include <algorithm>

namespace easel {

template <int kChannels>
Raster<kChannels> oriented(Raster<kChannels> image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool transpose = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int64_t width_px = transpose ? image.height_px() : image.width_px();
  const int64_t height_px = transpose ? image.width_px() : image.height_px();
  Raster<kChannels> out(width_px, height_px);
  for (int64_t y = 0; y < height_px; ++y) {
    uint8_t* to = out.row(y).data();
    for (int64_t x = 0; x < width_px; ++x) {
      // flips are those of the stored picture
      const int64_t from_x = transpose ? y : x;
      const int64_t from_y = transpose ? x : y;
      to = std::copy_n(image.pixel(flip_x ? image.width_px() - 1 - from_x : from_x,
                                   flip_y ? image.height_px() - 1 - from_y : from_y),
                       kChannels, to);
    }
  }
  return out;
}

template Image oriented(Image, int);
template Mask oriented(Mask, int);
template Raster<2> oriented(Raster<2>, int);

}  // namespace easel
