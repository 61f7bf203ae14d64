#include "easel/image/canny.h"

#include <algorithm>
#include <cstdlib>

namespace easel {
namespace {

struct Slope {
  int32_t dx = 0;
  int32_t dy = 0;
  int32_t steepness() const { return std::abs(dx) + std::abs(dy); }
};

// Pixels beyond the edges repeat those at the edges.
Slope sobel(const Image& image, int64_t x, int64_t y, int channel) {
  const auto at = [&](int64_t column, int64_t row) -> int32_t {
    return image.pixel(std::clamp<int64_t>(column, 0, image.width_px() - 1),
                       std::clamp<int64_t>(row, 0, image.height_px() - 1))[channel];
  };
  const auto across = [&](int64_t row) { return at(x + 1, row) - at(x - 1, row); };
  const auto down = [&](int64_t column) { return at(column, y + 1) - at(column, y - 1); };
  return {.dx = across(y - 1) + 2 * across(y) + across(y + 1), .dy = down(x - 1) + 2 * down(x) + down(x + 1)};
}

Slope steepest(const Image& image, int64_t x, int64_t y) {
  Slope best = sobel(image, x, y, 0);
  for (int channel = 1; channel < Image::kChannels; ++channel) {
    const Slope slope = sobel(image, x, y, channel);
    if (slope.steepness() > best.steepness()) best = slope;
  }
  return best;
}

class EdgeFinder {
 public:
  EdgeFinder(const Image& image, const CannyThresholds& thresholds)
      : size_(image.size()), thresholds_(thresholds), edges_(size_.width_px, size_.height_px) {
    slopes_.reserve(static_cast<size_t>(size_.width_px * size_.height_px));
    for (int64_t y = 0; y < size_.height_px; ++y) {
      for (int64_t x = 0; x < size_.width_px; ++x) slopes_.push_back(steepest(image, x, y));
    }
  }

  // Hysteresis: from every steep ridge on along ridges that are less so.
  Mask run() {
    for (int64_t y = 0; y < size_.height_px; ++y) {
      for (int64_t x = 0; x < size_.width_px; ++x) {
        if (steepness(x, y) > thresholds_.high && is_ridge(x, y)) follow(x, y);
      }
    }
    return std::move(edges_);
  }

 private:
  const Slope& slope(int64_t x, int64_t y) const { return slopes_[static_cast<size_t>(y * size_.width_px + x)]; }

  bool is_inside(int64_t x, int64_t y) const { return x >= 0 && y >= 0 && x < size_.width_px && y < size_.height_px; }

  int32_t steepness(int64_t x, int64_t y) const { return is_inside(x, y) ? slope(x, y).steepness() : 0; }

  // Steeper than both neighbours across the edge, in the nearest of four directions. Of two that are equal the first
  // counts where the edge is upright or level.
  bool is_ridge(int64_t x, int64_t y) const {
    constexpr int64_t kTan22 = 13573;  // tan(22.5 degrees) * 2^15; tan(67.5 degrees) is that of 22.5 plus 2
    const Slope& s = slope(x, y);
    const int32_t here = s.steepness();
    if (here <= thresholds_.low) return false;
    const int64_t dx = std::abs(s.dx), dy = int64_t{std::abs(s.dy)} << 15;
    if (dy < dx * kTan22) return here > steepness(x - 1, y) && here >= steepness(x + 1, y);
    if (dy > dx * kTan22 + (dx << 16)) return here > steepness(x, y - 1) && here >= steepness(x, y + 1);
    const int64_t side = (s.dx ^ s.dy) < 0 ? -1 : 1;
    return here > steepness(x - side, y - 1) && here > steepness(x + side, y + 1);
  }

  void follow(int64_t x, int64_t y) {
    std::vector<std::pair<int64_t, int64_t>> open = {{x, y}};
    while (!open.empty()) {
      const auto [column, row] = open.back();
      open.pop_back();
      if (!is_inside(column, row) || *edges_.pixel(column, row) != 0 || !is_ridge(column, row)) continue;
      *edges_.pixel(column, row) = 255;
      for (int64_t dy = -1; dy <= 1; ++dy) {
        for (int64_t dx = -1; dx <= 1; ++dx) open.emplace_back(column + dx, row + dy);
      }
    }
  }

  Size size_;
  CannyThresholds thresholds_;
  std::vector<Slope> slopes_;
  Mask edges_;
};

}  // namespace

Mask canny(const Image& image, const CannyThresholds& thresholds) { return EdgeFinder(image, thresholds).run(); }

}  // namespace easel
