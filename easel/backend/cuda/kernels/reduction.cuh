// Reductions over a warp and over a block, with results in every thread.
#pragma once

#include "easel/backend/cuda/kernels/launch.cuh"

namespace easel::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;

struct Sum {
  static constexpr float kNeutral = 0.0f;
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Largest {
  static constexpr float kNeutral = -3.402823466e+38f;
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// Over kLanes neighbouring lanes, a power of 2. All lanes of the warp must call it.
template <int kLanes = kWarp, typename Operation>
__device__ float reduce_lanes(float value, Operation operation) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = operation(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

// Over a block of whole warps, all of whose threads must call it. scratch: kWarp floats of shared memory, which the
// next call may use again.
template <typename Operation>
__device__ float reduce_block(float value, Operation operation, float* scratch) {
  const int warps = block_threads() / kWarp;
  value = reduce_lanes(value, operation);
  if (thread_index() % kWarp == 0) scratch[thread_index() / kWarp] = value;
  __syncthreads();
  const int lane = thread_index() % kWarp;
  value = reduce_lanes(lane < warps ? scratch[lane] : Operation::kNeutral, operation);
  __syncthreads();
  return value;
}

// How many numbers there are, their mean, and the sum of their squared differences from it.
struct Moments {
  float count = 0.0f, mean = 0.0f, spread = 0.0f;
};

// Of both together (Chan et al. 1979).
__device__ inline Moments merged(const Moments& a, const Moments& b) {
  if (b.count == 0.0f) return a;
  const float count = a.count + b.count;
  const float share = b.count / count;
  const float difference = b.mean - a.mean;
  return {count, a.mean + difference * share, a.spread + b.spread + difference * difference * a.count * share};
}

__device__ inline Moments merge_lanes(Moments moments) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Moments other{__shfl_xor_sync(kAllLanes, moments.count, distance),
                        __shfl_xor_sync(kAllLanes, moments.mean, distance),
                        __shfl_xor_sync(kAllLanes, moments.spread, distance)};
    moments = merged(moments, other);
  }
  return moments;
}

}  // namespace easel::cuda
