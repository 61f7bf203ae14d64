// How kernels are launched and share out their work. Kernels stride over their items, so any grid computes everything.
//
// Shared memory is always dynamic: its size is named at the launch, beside the kernel that carves it up.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "easel/backend/cuda/kernels/kernels.h"

namespace easel::cuda {

constexpr int kWarp = 32;
constexpr int kThreads = 256;          // of a block, unless a kernel says otherwise
constexpr int kBlocksAtOnce = 2;       // on a processor, of kernels that otherwise spill registers to fit in more
constexpr int64_t kMostBlocks = 4096;  // more than a card runs at once

// Beyond this a kernel has to ask for its shared memory.
constexpr size_t kPlainSharedBytes = 48 << 10;

struct Grid {
  int64_t x = 1, y = 1, z = 1;
};

// Puts kernel(arguments) on the stream. A failure is left for cudaGetLastError.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), const Grid& grid, int threads, size_t shared_bytes, Stream stream,
            Arguments&&... arguments) {
  if (shared_bytes > kPlainSharedBytes) {
    const cudaError_t status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (status != cudaSuccess) return;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

// Blocks for `items` of which a block takes `per_block` at a time.
inline int64_t blocks_for(int64_t items, int64_t per_block) {
  const int64_t blocks = (items + per_block - 1) / per_block;
  return blocks < kMostBlocks ? blocks : kMostBlocks;
}

// Of a one-dimensional grid: this thread's first item, and how many items further its next one is.
__device__ inline int64_t first_item() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t item_stride() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

__device__ inline int thread_index() { return static_cast<int>(threadIdx.x); }
__device__ inline int block_threads() { return static_cast<int>(blockDim.x); }

// The block's shared memory, aligned to 16 bytes.
template <typename T>
__device__ T* shared() {
  extern __shared__ float4 shared_memory[];
  return reinterpret_cast<T*>(shared_memory);
}

}  // namespace easel::cuda
