// Operations written down from their definitions in f64, one output element at a time: what every backend must equal.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"
#include "tests/support/device.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {

// Uniform in [-1, 1), the same on every run.
inline std::vector<float> random_values(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f;
  return values;
}

inline Tensor random_tensor(Shape shape, uint32_t seed) {
  return Tensor::from(cpu_device(), shape, std::span<const float>(random_values(shape.count(), seed)));
}

// An f32 weight with values scaled so that sums over a row stay near 1.
inline Parameter random_parameter(Shape shape, uint32_t seed) {
  auto values = std::make_shared<std::vector<float>>(random_values(shape.count(), seed));
  const double row = shape.rank() > 1 ? static_cast<double>(shape.count()) / static_cast<double>(shape[0]) : 1.0;
  for (float& value : *values) value *= static_cast<float>(std::sqrt(3.0 / row));
  return Parameter({.name = "random",
                    .shape = shape,
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*values)),
                    .owner = values});
}

inline double naive_activation(Activation activation, double x) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::silu: return x / (1.0 + std::exp(-x));
    case Activation::quick_gelu: return x / (1.0 + std::exp(-1.702 * x));
    case Activation::gelu: return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case Activation::leaky_relu: return x < 0.0 ? double{kLeakySlope} * x : x;
    case Activation::relu: break;
  }
  return std::max(x, 0.0);
}

// Indices to check: all of a small result, a fixed random choice of a large one.
inline std::vector<int64_t> sample_indices(int64_t count) {
  constexpr int64_t kSamples = 400;
  std::vector<int64_t> indices;
  if (count <= kSamples) {
    for (int64_t i = 0; i < count; ++i) indices.push_back(i);
    return indices;
  }
  std::mt19937 generator(7);
  for (int64_t i = 0; i < kSamples; ++i) indices.push_back(static_cast<int64_t>(generator()) % count);
  indices.push_back(0);
  indices.push_back(count - 1);
  return indices;
}

// Expects out[i] == expected(i) at the sampled indices, within `tolerance` of the largest expected magnitude.
template <typename Expected>
void expect_elements(const Tensor& out, double tolerance, const Expected& expected) {
  std::vector<float> actual_values;
  std::vector<float> expected_values;
  for (const int64_t index : sample_indices(out.count())) {
    actual_values.push_back(out.data()[static_cast<size_t>(index)]);
    expected_values.push_back(static_cast<float>(expected(index)));
  }
  EXPECT_TENSOR_NEAR(std::span<const float>(actual_values), std::span<const float>(expected_values), tolerance);
}

}  // namespace easel::testing
