#include "easel/image/grid.h"

#include <algorithm>

#include "easel/image/codec.h"

namespace easel {
namespace {

constexpr int64_t kPaddingPx = 2;

}  // namespace

Image make_grid(std::span<const Image> images, int64_t columns) {
  EASEL_ASSERT(!images.empty() && columns > 0);
  if (images.size() == 1) return images[0];
  const Size size = images[0].size();
  for (const Image& image : images) {
    if (image.size() == size) continue;
    throw Error(ErrorCode::invalid_request, "the images of a grid must have one size: {}x{} and {}x{} do not fit",
                size.width_px, size.height_px, image.width_px(), image.height_px());
  }
  const auto count = static_cast<int64_t>(images.size());
  columns = std::min(columns, count);
  const int64_t rows = (count + columns - 1) / columns;
  const int64_t step_x = size.width_px + kPaddingPx;
  const int64_t step_y = size.height_px + kPaddingPx;
  const Size grid_size{columns * step_x + kPaddingPx, rows * step_y + kPaddingPx};
  if (!fits_image_limit(grid_size)) {
    throw Error(ErrorCode::invalid_request,
                "a grid of {} images would have {}x{} pixels, over the limit of {} million pixels; leave it out with "
                "--skip_grid",
                count, grid_size.width_px, grid_size.height_px, kMaxImageBytes / 4 / 1'000'000);
  }
  Image grid(grid_size.width_px, grid_size.height_px);
  for (int64_t i = 0; i < count; ++i) {
    paste_inplace(grid, images[static_cast<size_t>(i)], i % columns * step_x + kPaddingPx,
                  i / columns * step_y + kPaddingPx);
  }
  return grid;
}

}  // namespace easel
