#include "easel/image/blur.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace easel {
namespace {

constexpr int kPasses = 3;

// Radius of the box whose kPasses-fold application has the standard deviation `sigma`: Gwosdek et al. 2011, 7 and
// 11-14.
float box_radius(float sigma) {
  const float variance = sigma * sigma / kPasses;
  const float length = std::sqrt(12.0f * variance + 1.0f);
  const float whole = std::floor((length - 1.0f) / 2.0f);
  const float fraction = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  return whole + fraction / (6 * (variance - (whole + 1) * (whole + 1)));
}

struct Box {
  int64_t radius;       // whole pixels to each side
  uint32_t weight;      // of these, times 2^24
  uint32_t far_weight;  // of the next one at each end
};

Box make_box(float radius) {
  Box box{};
  box.radius = static_cast<int64_t>(radius);
  box.weight = static_cast<uint32_t>(static_cast<float>(1 << 24) / (radius * 2 + 1));
  box.far_weight = ((1U << 24) - static_cast<uint32_t>(box.radius * 2 + 1) * box.weight) / 2;
  return box;
}

// One line of `count` values that lie `stride` apart.
void blur_line(const uint8_t* in, uint8_t* out, int64_t count, int64_t stride, const Box& box) {
  const auto at = [&](int64_t i) -> uint32_t { return in[std::clamp<int64_t>(i, 0, count - 1) * stride]; };
  uint32_t sum = 0;
  for (int64_t i = -box.radius - 1; i < box.radius; ++i) sum += at(i);
  for (int64_t i = 0; i < count; ++i) {
    sum += at(i + box.radius) - at(i - box.radius - 1);
    const uint32_t far = at(i - box.radius - 1) + at(i + box.radius + 1);
    out[i * stride] = static_cast<uint8_t>((sum * box.weight + far * box.far_weight + (1U << 23)) >> 24);
  }
}

}  // namespace

template <int kChannels>
Raster<kChannels> gaussian_blur(const Raster<kChannels>& image, float radius_px) {
  EASEL_ASSERT(radius_px >= 0.0f);
  const float radius = box_radius(radius_px);
  if (image.empty() || radius <= 0.0f) return image;
  const Box box = make_box(radius);
  const int64_t row_bytes = image.width_px() * kChannels;
  Raster<kChannels> from = image;
  Raster<kChannels> to(image.width_px(), image.height_px());
  for (int pass = 0; pass < kPasses; ++pass, std::swap(from, to)) {
    for (int64_t y = 0; y < image.height_px(); ++y) {
      for (int c = 0; c < kChannels; ++c) {
        blur_line(from.row(y).data() + c, to.row(y).data() + c, image.width_px(), kChannels, box);
      }
    }
  }
  for (int pass = 0; pass < kPasses; ++pass, std::swap(from, to)) {
    for (int64_t i = 0; i < row_bytes; ++i) {
      blur_line(from.bytes().data() + i, to.bytes().data() + i, image.height_px(), row_bytes, box);
    }
  }
  return from;
}

template Image gaussian_blur(const Image&, float);
template Mask gaussian_blur(const Mask&, float);
template Raster<4> gaussian_blur(const Raster<4>&, float);

}  // namespace easel
