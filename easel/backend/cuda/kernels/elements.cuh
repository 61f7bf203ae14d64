// Reading and writing elements of every type as f32: one at a time, or eight with 128-bit accesses.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "easel/backend/cuda/kernels/launch.cuh"

namespace easel::cuda {

constexpr int kVector = 8;  // elements of a wide access

template <int kWidth>
struct Pack {
  float at[kWidth];
};

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(int32_t x) { return static_cast<float>(x); }  // sums of integers, rounded to nearest
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

// Rounds to nearest even.
template <typename T>
__device__ T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// kWidth is 1 or kVector, whose addresses are multiples of 16.
template <int kWidth, typename T>
__device__ Pack<kWidth> load(const T* x) {
  Pack<kWidth> pack;
  if constexpr (kWidth == 1) {
    pack.at[0] = to_float(*x);
  } else {
    constexpr int kAccesses = kWidth * sizeof(T) / sizeof(uint4);
    uint4 raw[kAccesses];
#pragma unroll
    for (int i = 0; i < kAccesses; ++i) raw[i] = reinterpret_cast<const uint4*>(x)[i];
    const T* const elements = reinterpret_cast<const T*>(raw);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) pack.at[i] = to_float(elements[i]);
  }
  return pack;
}

template <int kWidth, typename T>
__device__ void store(T* out, const Pack<kWidth>& pack) {
  if constexpr (kWidth == 1) {
    *out = from_float<T>(pack.at[0]);
  } else {
    constexpr int kAccesses = kWidth * sizeof(T) / sizeof(uint4);
    uint4 raw[kAccesses];
    T* const elements = reinterpret_cast<T*>(raw);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) elements[i] = from_float<T>(pack.at[i]);
#pragma unroll
    for (int i = 0; i < kAccesses; ++i) reinterpret_cast<uint4*>(out)[i] = raw[i];
  }
}

// The same where the type is known at run time: all threads take the same branch.
template <int kWidth>
__device__ Pack<kWidth> load(const Source& x, int64_t index) {
  switch (x.type) {
    case DType::f16: return load<kWidth>(static_cast<const __half*>(x.data) + index);
    case DType::bf16: return load<kWidth>(static_cast<const __nv_bfloat16*>(x.data) + index);
    default: return load<kWidth>(static_cast<const float*>(x.data) + index);
  }
}

template <int kWidth>
__device__ void store(const Target& out, int64_t index, const Pack<kWidth>& pack) {
  switch (out.type) {
    case DType::f16: return store(static_cast<__half*>(out.data) + index, pack);
    case DType::bf16: return store(static_cast<__nv_bfloat16*>(out.data) + index, pack);
    default: return store(static_cast<float*>(out.data) + index, pack);
  }
}

__device__ inline float load_one(const Source& x, int64_t index) { return load<1>(x, index).at[0]; }

// Whether wide accesses are allowed at multiples of kVector elements; a null pointer is not accessed.
inline bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % sizeof(uint4) == 0; }
template <typename... Operands>
bool all_aligned(const Operands&... operands) {
  return (is_aligned(operands.data) && ...);
}

// Calls body(T()) with the C++ type of elements.
template <typename Body>
void with_type(DType type, const Body& body) {
  switch (type) {
    case DType::f16: return body(__half());
    case DType::bf16: return body(__nv_bfloat16());
    default: return body(float());
  }
}

}  // namespace easel::cuda
