#include "easel/image/fit.h"

#include <algorithm>

namespace easel {
namespace {

// `content` at (x, y) of a canvas of `size`; what the content does not cover repeats its edges.
template <int kChannels>
Raster<kChannels> place(const Raster<kChannels>& content, Size size, int64_t x, int64_t y) {
  Raster<kChannels> out(size.width_px, size.height_px);
  for (int64_t row = 0; row < size.height_px; ++row) {
    const int64_t from_row = std::clamp<int64_t>(row - y, 0, content.height_px() - 1);
    uint8_t* to = out.row(row).data();
    for (int64_t column = 0; column < size.width_px; ++column) {
      const int64_t from_column = std::clamp<int64_t>(column - x, 0, content.width_px() - 1);
      to = std::copy_n(content.pixel(from_column, from_row), kChannels, to);
    }
  }
  return out;
}

}  // namespace

Rect fitted_rect(Size from, Size size, FitMode mode) {
  if (mode == FitMode::stretch) return {0, 0, size.width_px, size.height_px};
  if (mode == FitMode::keep) return {0, 0, from.width_px, from.height_px};
  // width / height of the new size against that of the old one, without division
  const bool wider = size.width_px * from.height_px > from.width_px * size.height_px;
  const bool width_decides = mode == FitMode::crop ? wider : !wider;
  Rect rect;
  rect.width_px = width_decides ? size.width_px : std::max<int64_t>(1, from.width_px * size.height_px / from.height_px);
  rect.height_px =
      width_decides ? std::max<int64_t>(1, from.height_px * size.width_px / from.width_px) : size.height_px;
  rect.x = size.width_px / 2 - rect.width_px / 2;
  rect.y = size.height_px / 2 - rect.height_px / 2;
  return rect;
}

template <int kChannels>
Raster<kChannels> fit(const Raster<kChannels>& image, Size size, FitMode mode, ResizeFilter filter) {
  const Rect rect = fitted_rect(image.size(), size, mode);
  const Raster<kChannels> content = resize(image, {rect.width_px, rect.height_px}, filter);
  return content.size() == size ? content : place(content, size, rect.x, rect.y);
}

template <int kChannels>
Raster<kChannels> extend(const Raster<kChannels>& image, int64_t left_px, int64_t top_px, int64_t right_px,
                         int64_t bottom_px) {
  EASEL_ASSERT(left_px >= 0 && top_px >= 0 && right_px >= 0 && bottom_px >= 0);
  const Size size{left_px + image.width_px() + right_px, top_px + image.height_px() + bottom_px};
  return place(image, size, left_px, top_px);
}

template Image fit(const Image&, Size, FitMode, ResizeFilter);
template Mask fit(const Mask&, Size, FitMode, ResizeFilter);
template Image extend(const Image&, int64_t, int64_t, int64_t, int64_t);
template Mask extend(const Mask&, int64_t, int64_t, int64_t, int64_t);

}  // namespace easel
