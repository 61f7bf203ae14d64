#include "easel/depth/standardized_conv2d.h"

#include <cmath>

namespace easel {
namespace {

constexpr double kEpsilon = 1e-8;

void standardize(std::span<float> row) {
  const auto count = static_cast<double>(row.size());
  double sum = 0.0;
  for (const float value : row) sum += static_cast<double>(value);
  const double mean = sum / count;
  double squares = 0.0;
  for (const float value : row) squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
  const double scale = 1.0 / std::sqrt(squares / count + kEpsilon);
  for (float& value : row) value = static_cast<float>((static_cast<double>(value) - mean) * scale);
}

}  // namespace

Window same_window(int64_t kernel, int64_t stride) {
  const int64_t total = std::max<int64_t>(kernel - stride, 0);
  const int64_t before = total / 2;
  const int64_t after = total - before;
  return {
      .kernel = kernel, .stride = stride, .padding = {.top = before, .bottom = after, .left = before, .right = after}};
}

Parameter standardized(const Parameter& weight) {
  auto values = std::make_shared<std::vector<float>>(weight.values());
  weight.finish_use();
  const auto rows = static_cast<size_t>(weight.shape().dim(0));
  const size_t row_size = values->size() / rows;
  for (size_t row = 0; row < rows; ++row) standardize(std::span(*values).subspan(row * row_size, row_size));
  return Parameter({.name = weight.name(),
                    .shape = weight.shape(),
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*values)),
                    .owner = values},
                   Residency::streamed);
}

StandardizedConv2d::StandardizedConv2d(const Weights& weights, int64_t c_in, int64_t c_out, const Window& window)
    : window_(window), weight_(weights.parameter("weight", {c_out, c_in, window.kernel, window.kernel})) {}

Tensor StandardizedConv2d::operator()(const Tensor& x) const {
  return ops::conv2d(x, standardized(weight_), std::nullopt, {.stride = window_.stride, .padding = window_.padding});
}

}  // namespace easel
