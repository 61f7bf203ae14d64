// Activations of vectors, as Activation (easel/backend/options.h) defines them.
#pragma once

#include "easel/backend/cuda/kernels/elements.cuh"

namespace easel::cuda {

// x / (1 + e^(-factor x)); a very negative x gives -0, not NaN, because e^... is infinite.
__device__ inline float swish(float x, float factor) { return x / (1.0f + expf(-factor * x)); }

__device__ inline float gelu(float x) {
  const float half = 0.5f * x;
  return half + half * erff(x * 0.70710678f);
}

// NaN stays NaN.
template <int kWidth>
__device__ void activate(Pack<kWidth>& x, Activation activation) {
  const auto each = [&x](auto f) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) x.at[i] = f(x.at[i]);
  };
  switch (activation) {
    case Activation::none: return;
    case Activation::silu: return each([](float v) { return swish(v, 1.0f); });
    case Activation::quick_gelu: return each([](float v) { return swish(v, 1.702f); });
    case Activation::gelu: return each([](float v) { return gelu(v); });
    case Activation::relu: return each([](float v) { return v < 0.0f ? 0.0f : v; });
    case Activation::leaky_relu: return each([](float v) { return v < 0.0f ? kLeakySlope * v : v; });
  }
}

}  // namespace easel::cuda
