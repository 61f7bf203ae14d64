// A number as a code of 8 bits, rounded to nearest even.
#pragma once

#include "easel/backend/cuda/kernels/elements.cuh"
#include "easel/backend/cuda/kernels/quantize_kernels.h"

namespace easel::cuda {

template <EightBits kNumbers>
constexpr float kLargestCode = kNumbers == EightBits::int8 ? 127.0f : 448.0f;

// x: finite; beyond the largest code it is that one.
__device__ inline unsigned int8_code(float x) {
  const float inside = fminf(fmaxf(x, -127.0f), 127.0f);
  return static_cast<unsigned>(static_cast<int>(rintf(inside))) & 0xFFu;
}

// x: finite; likewise. The exponent is that of f32 less 120, and 20 of f32's 23 bits of fraction are rounded away.
__device__ inline unsigned e4m3_code(float x) {
  constexpr float kSmallestNormal = 0x1p-6f;
  constexpr float kSubnormals = 0x1p9f;  // what their distance is multiplied with to be 1
  const unsigned sign = __float_as_uint(x) >> 31 << 7;
  const float magnitude = fminf(fabsf(x), 448.0f);
  if (magnitude < kSmallestNormal) return sign | static_cast<unsigned>(rintf(magnitude * kSubnormals));
  const unsigned bits = __float_as_uint(magnitude);
  const unsigned rounded = bits + 0x7FFFFu + (bits >> 20 & 1u);
  return sign | ((rounded >> 20) - (120u << 3));
}

template <EightBits kNumbers>
__device__ unsigned code_of(float x) {
  if constexpr (kNumbers == EightBits::int8) {
    return int8_code(x);
  } else {
    return e4m3_code(x);
  }
}

}  // namespace easel::cuda
