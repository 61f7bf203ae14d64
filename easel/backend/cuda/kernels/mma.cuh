// Products of small matrices by a warp, on tensor cores.
#pragma once

#include <type_traits>

#include "easel/backend/cuda/kernels/elements.cuh"

namespace easel::cuda {

__device__ inline uint32_t bits_of(__half x) { return __half_as_ushort(x); }
__device__ inline uint32_t bits_of(__nv_bfloat16 x) { return __bfloat16_as_ushort(x); }

// Two neighbouring elements, the first in the low half.
template <typename T>
__device__ uint32_t packed(float first, float second) {
  return bits_of(from_float<T>(first)) | bits_of(from_float<T>(second)) << 16;
}

// sums += a b of a [16, 16], b [16, 8], sums [16, 8] in f32. T: __half (from compute capability 7.5 on) or
// __nv_bfloat16 (from 8.0 on). Lane l holds, with r = l / 4 and t = l % 4 (PTX: mma.m16n8k16),
//   of a: {(r, 2t), (r, 2t + 1)}, then the same of row r + 8, of column + 8, and of both;
//   of b: {(2t, r), (2t + 1, r)}, then the same of row + 8;
//   of sums: (r, 2t), (r, 2t + 1), (r + 8, 2t), (r + 8, 2t + 1).
template <typename T>
__device__ void multiply_add(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  [[maybe_unused]] constexpr bool kIsHalf = std::is_same_v<T, __half>;
#if !defined(__CUDACC__)  // tests/cuda_kernels
  cuda_emulation::multiply_add(sums, a, b, [](uint16_t bits) { return to_float(T{bits}); });
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (kIsHalf) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#elif defined(__CUDA_ARCH__)
  if constexpr (kIsHalf) {  // columns of a in two halves
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      asm volatile(
          "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
    }
  } else {
    __trap();  // tensor_attention_applies() says no
  }
#endif
}

}  // namespace easel::cuda
