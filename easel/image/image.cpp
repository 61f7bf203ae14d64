#include "easel/image/image.h"

#include <algorithm>

namespace easel {

Mask grey_from(const Image& image) {
  if (image.empty()) return {};
  Mask grey(image.width_px(), image.height_px());
  const uint8_t* rgb = image.bytes().data();
  for (uint8_t& value : grey.bytes()) {
    value = static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
    rgb += Image::kChannels;
  }
  return grey;
}

Image image_from(const Mask& mask) {
  if (mask.empty()) return {};
  Image image(mask.width_px(), mask.height_px());
  uint8_t* rgb = image.bytes().data();
  for (const uint8_t value : mask.bytes()) {
    std::fill_n(rgb, Image::kChannels, value);
    rgb += Image::kChannels;
  }
  return image;
}

template <int kChannels>
Raster<kChannels> crop(const Raster<kChannels>& image, const Rect& part) {
  EASEL_ASSERT(part.x >= 0 && part.y >= 0 && part.x + part.width_px <= image.width_px() &&
               part.y + part.height_px <= image.height_px());
  Raster<kChannels> out(part.width_px, part.height_px);
  for (int64_t y = 0; y < part.height_px; ++y) {
    std::copy_n(image.pixel(part.x, part.y + y), part.width_px * kChannels, out.row(y).begin());
  }
  return out;
}

template <int kChannels>
void paste_inplace(Raster<kChannels>& image, const Raster<kChannels>& part, int64_t x, int64_t y) {
  const int64_t left = std::max<int64_t>(x, 0);
  const int64_t right = std::min(x + part.width_px(), image.width_px());
  if (left >= right) return;
  for (int64_t row = std::max<int64_t>(y, 0); row < std::min(y + part.height_px(), image.height_px()); ++row) {
    std::copy_n(part.pixel(left - x, row - y), (right - left) * kChannels, image.pixel(left, row));
  }
}

template Image crop(const Image&, const Rect&);
template Mask crop(const Mask&, const Rect&);
template void paste_inplace(Image&, const Image&, int64_t, int64_t);
template void paste_inplace(Mask&, const Mask&, int64_t, int64_t);

}  // namespace easel
