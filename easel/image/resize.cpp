#include "easel/image/resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace easel {
namespace {

constexpr int kWeightBits = 22;  // 32 less 8 for the pixel and 2 for the lobes of the filters
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(x * std::numbers::pi) / (x * std::numbers::pi); }

double lanczos3(double x) { return x > -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

// Keys 1981, with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

struct Kernel {
  double (*value)(double);
  double support;  // zero from here on
};

Kernel kernel_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::bilinear: return {triangle, 1.0};
    case ResizeFilter::bicubic: return {cubic, 2.0};
    default: return {lanczos3, 3.0};
  }
}

// The weighted sum that gives one output row or column.
struct Taps {
  int64_t first;  // input index of the first weight
  std::vector<int32_t> weights;
};

std::vector<Taps> make_taps(int64_t in_px, int64_t out_px, const Kernel& kernel) {
  const double scale = static_cast<double>(in_px) / static_cast<double>(out_px);
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  std::vector<Taps> taps(static_cast<size_t>(out_px));
  std::vector<double> weights;
  for (int64_t i = 0; i < out_px; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const int64_t begin = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    const int64_t end = std::min(in_px, static_cast<int64_t>(centre + support + 0.5));
    weights.clear();
    double sum = 0.0;
    for (int64_t x = begin; x < end; ++x) {
      weights.push_back(kernel.value((static_cast<double>(x) - centre + 0.5) * (1.0 / filter_scale)));
      sum += weights.back();
    }
    Taps& out = taps[static_cast<size_t>(i)];
    out.first = begin;
    for (double& weight : weights) {
      if (sum != 0.0) weight *= 1.0 / sum;
      out.weights.push_back(static_cast<int32_t>(weight * (1 << kWeightBits) + (weight < 0 ? -0.5 : 0.5)));
    }
  }
  return taps;
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

template <int kChannels>
Raster<kChannels> resize_width(const Raster<kChannels>& image, int64_t width_px, const Kernel& kernel) {
  const std::vector<Taps> taps = make_taps(image.width_px(), width_px, kernel);
  Raster<kChannels> out(width_px, image.height_px());
  for (int64_t y = 0; y < image.height_px(); ++y) {
    uint8_t* to = out.row(y).data();
    for (const Taps& tap : taps) {
      const uint8_t* from = image.pixel(tap.first, y);
      std::array<int32_t, kChannels> sum;
      sum.fill(kHalf);
      for (const int32_t weight : tap.weights) {
        for (int c = 0; c < kChannels; ++c) sum[static_cast<size_t>(c)] += weight * from[c];
        from += kChannels;
      }
      for (int c = 0; c < kChannels; ++c) *to++ = to_byte(sum[static_cast<size_t>(c)]);
    }
  }
  return out;
}

template <int kChannels>
Raster<kChannels> resize_height(const Raster<kChannels>& image, int64_t height_px, const Kernel& kernel) {
  const std::vector<Taps> taps = make_taps(image.height_px(), height_px, kernel);
  Raster<kChannels> out(image.width_px(), height_px);
  std::vector<int32_t> sums(static_cast<size_t>(image.width_px() * kChannels));
  for (int64_t y = 0; y < height_px; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const Taps& tap = taps[static_cast<size_t>(y)];
    for (size_t k = 0; k < tap.weights.size(); ++k) {
      const int32_t weight = tap.weights[k];
      const std::span<const uint8_t> from = image.row(tap.first + static_cast<int64_t>(k));
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += weight * from[i];
    }
    std::transform(sums.begin(), sums.end(), out.row(y).begin(), to_byte);
  }
  return out;
}

// The input index for each output index.
std::vector<int64_t> nearest_indices(int64_t in_px, int64_t out_px) {
  const double scale = static_cast<double>(in_px) / static_cast<double>(out_px);
  std::vector<int64_t> indices(static_cast<size_t>(out_px));
  for (int64_t i = 0; i < out_px; ++i) {
    indices[static_cast<size_t>(i)] = std::min(in_px - 1, static_cast<int64_t>((static_cast<double>(i) + 0.5) * scale));
  }
  return indices;
}

template <int kChannels>
Raster<kChannels> resize_nearest(const Raster<kChannels>& image, Size size) {
  const std::vector<int64_t> columns = nearest_indices(image.width_px(), size.width_px);
  const std::vector<int64_t> rows = nearest_indices(image.height_px(), size.height_px);
  Raster<kChannels> out(size.width_px, size.height_px);
  for (int64_t y = 0; y < size.height_px; ++y) {
    uint8_t* to = out.row(y).data();
    for (const int64_t x : columns) to = std::copy_n(image.pixel(x, rows[static_cast<size_t>(y)]), kChannels, to);
  }
  return out;
}

}  // namespace

template <int kChannels>
Raster<kChannels> resize(const Raster<kChannels>& image, Size size, ResizeFilter filter) {
  EASEL_ASSERT(!image.empty() && size.width_px > 0 && size.height_px > 0);
  if (image.size() == size) return image;
  if (filter == ResizeFilter::nearest) return resize_nearest(image, size);
  const Kernel kernel = kernel_of(filter);
  if (size.height_px == image.height_px()) return resize_width(image, size.width_px, kernel);
  if (size.width_px == image.width_px()) return resize_height(image, size.height_px, kernel);
  return resize_height(resize_width(image, size.width_px, kernel), size.height_px, kernel);
}

template Image resize(const Image&, Size, ResizeFilter);
template Mask resize(const Mask&, Size, ResizeFilter);

}  // namespace easel
