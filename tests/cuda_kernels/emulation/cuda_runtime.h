// What the kernels use of CUDA's language and runtime, for g++: the same sources run on the host, one block after the
// other, its threads as fibers that change places where they wait for each other (emulator.h).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>

#include "tests/cuda_kernels/emulation/emulator.h"

#define __global__
#define __device__
#define __host__
#define __shared__
#define __launch_bounds__(...)

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }

inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
using std::isfinite;

// All threads of the block, from one place of the source.
inline void __syncthreads(std::source_location place = std::source_location::current()) {
  cuda_emulation::wait_for_block(place.line());
}

// All lanes of the warp, from one place of the source.
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, std::source_location place = std::source_location::current()) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = cuda_emulation::exchange(mask, bits, lane_mask, place.line());
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// One fiber runs at a time.
inline unsigned long long atomicAdd(unsigned long long* to, unsigned long long value) {
  const unsigned long long before = *to;
  *to += value;
  return before;
}

// --- the runtime -----------------------------------------------------------------------------------------------------

struct CUstream_st;
using cudaStream_t = CUstream_st*;

enum cudaError_t { cudaSuccess, cudaErrorInvalidConfiguration };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute, int bytes) {
  const bool allowed = cuda_emulation::allow_shared(reinterpret_cast<const void*>(kernel), bytes);
  return allowed ? cudaSuccess : cudaErrorInvalidConfiguration;
}

// Runs the kernel to its end.
template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const cuda_emulation::Launch launch{.kernel = reinterpret_cast<const void*>(kernel),
                                      .grid = config->gridDim,
                                      .block = config->blockDim,
                                      .shared_bytes = config->dynamicSmemBytes};
  const bool allowed = cuda_emulation::run(launch, [&] { kernel(static_cast<Parameters>(arguments)...); });
  return allowed ? cudaSuccess : cudaErrorInvalidConfiguration;
}
