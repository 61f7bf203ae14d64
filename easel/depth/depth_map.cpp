#include "easel/depth/depth_map.h"

#include <algorithm>
#include <cmath>

#include "easel/depth/depth_network.h"
#include "easel/ops/ops.h"

namespace easel {
namespace {

constexpr ResizeOptions kBicubic{.interpolation = Interpolation::bicubic};

int64_t to_multiple(double side_px) {
  constexpr auto kMultiple = static_cast<double>(DepthNetwork::kSizeMultiplePx);
  const auto multiples = static_cast<int64_t>(std::nearbyint(side_px / kMultiple));
  return std::max<int64_t>(multiples, 1) * DepthNetwork::kSizeMultiplePx;
}

}  // namespace

DepthInputSize depth_input_size(int64_t height_px, int64_t width_px, int64_t target_px) {
  const auto height = static_cast<double>(height_px), width = static_cast<double>(width_px);
  const double height_scale = static_cast<double>(target_px) / height;
  const double width_scale = static_cast<double>(target_px) / width;
  const double scale = std::abs(1.0 - width_scale) < std::abs(1.0 - height_scale) ? width_scale : height_scale;
  return {.height_px = to_multiple(scale * height), .width_px = to_multiple(scale * width)};
}

Tensor depth_input(const Tensor& image, int64_t target_px) {
  const DepthInputSize size = depth_input_size(image.dim(1), image.dim(2), target_px);
  return ops::resize(image, size.height_px, size.width_px, kBicubic);
}

Tensor depth_channel(const Tensor& depth, int64_t rows, int64_t columns) {
  const Tensor resized = ops::resize(depth, rows, columns, kBicubic);
  std::vector<float> values = resized.values();
  const auto [farthest, nearest] = std::minmax_element(values.begin(), values.end());
  const float low = *farthest, range = *nearest - *farthest;
  for (float& value : values) value = range > 0.0f ? 2.0f * (value - low) / range - 1.0f : 0.0f;
  return Tensor::from(depth.device(), resized.shape(), std::span<const float>(values));
}

}  // namespace easel
