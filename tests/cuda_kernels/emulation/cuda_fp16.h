// CUDA's half for g++.
#pragma once

#include <bit>
#include <cstdint>

#include "easel/tensor/dtype.h"

struct alignas(2) __half {
  uint16_t bits;
};

inline float __half2float(__half x) { return easel::f32_from_f16(x.bits); }
inline __half __float2half_rn(float x) { return {easel::f16_from_f32(x)}; }
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half x) { return x.bits; }
