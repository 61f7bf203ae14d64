// Raster: 8-bit pixels [height_px, width_px, channels], rows from top to bottom. Programs see these, never tensors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "easel/base/error.h"

namespace easel {

struct Size {
  int64_t width_px = 0;
  int64_t height_px = 0;
  bool operator==(const Size&) const = default;
};

// Pixels [x, x + width_px) x [y, y + height_px).
struct Rect {
  int64_t x = 0;
  int64_t y = 0;
  int64_t width_px = 0;
  int64_t height_px = 0;
  bool operator==(const Rect&) const = default;
};

// A value: a copy has pixels of its own.
template <int kChannelCount>
class Raster {
 public:
  static constexpr int kChannels = kChannelCount;
  using Pixel = std::array<uint8_t, kChannelCount>;

  Raster() = default;  // no pixels
  // All bytes 0: black, or nothing selected.
  Raster(int64_t width_px, int64_t height_px) : size_{width_px, height_px} {
    EASEL_ASSERT(width_px > 0 && height_px > 0);
    bytes_.resize(static_cast<size_t>(width_px * height_px * kChannels));
  }
  Raster(int64_t width_px, int64_t height_px, const Pixel& fill) : Raster(width_px, height_px) {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = fill[i % kChannels];
  }

  int64_t width_px() const { return size_.width_px; }
  int64_t height_px() const { return size_.height_px; }
  Size size() const { return size_; }
  bool empty() const { return bytes_.empty(); }
  Rect bounds() const { return {0, 0, size_.width_px, size_.height_px}; }

  std::span<uint8_t> bytes() { return bytes_; }
  std::span<const uint8_t> bytes() const { return bytes_; }
  std::span<uint8_t> row(int64_t y) { return std::span(bytes_).subspan(row_begin(y), row_bytes()); }
  std::span<const uint8_t> row(int64_t y) const { return std::span(bytes_).subspan(row_begin(y), row_bytes()); }
  uint8_t* pixel(int64_t x, int64_t y) { return bytes_.data() + pixel_begin(x, y); }
  const uint8_t* pixel(int64_t x, int64_t y) const { return bytes_.data() + pixel_begin(x, y); }

  bool operator==(const Raster&) const = default;

 private:
  size_t row_bytes() const { return static_cast<size_t>(size_.width_px * kChannels); }
  size_t row_begin(int64_t y) const { return static_cast<size_t>(y) * row_bytes(); }
  size_t pixel_begin(int64_t x, int64_t y) const { return static_cast<size_t>((y * size_.width_px + x) * kChannels); }

  Size size_;
  std::vector<uint8_t> bytes_;
};

using Image = Raster<3>;  // red, green, blue
using Mask = Raster<1>;   // grey: 255 selects (inpainting) or is opaque (alpha)

// Luma, ITU-R 601, as PIL's convert("L").
Mask grey_from(const Image& image);
Image image_from(const Mask& mask);  // R = G = B

// `part` lies within the image.
template <int kChannels>
Raster<kChannels> crop(const Raster<kChannels>& image, const Rect& part);
// Copies `part` into `image` with its top left pixel at (x, y); what falls outside is left out.
template <int kChannels>
void paste_inplace(Raster<kChannels>& image, const Raster<kChannels>& part, int64_t x, int64_t y);

}  // namespace easel
