// The emulator finds what it is there to find.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "easel/backend/cuda/kernels/reduction.cuh"

namespace easel::cuda {
namespace {

__global__ void missing_barrier(float* out) {
  float* const memory = shared<float>();
  memory[thread_index()] = static_cast<float>(thread_index());
  out[thread_index()] = memory[block_threads() - 1 - thread_index()];
}
__global__ void half_a_barrier(float*) {
  if (thread_index() < 32) __syncthreads();
}
__global__ void different_barriers(float*) {
  if (thread_index() < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void half_a_warp(float* out) { out[0] = reduce_lanes(1.0f, Sum()); }
__global__ void too_far(float*) { shared<float>()[block_threads()] = 1.0f; }
__global__ void uninitialized(float* out) { out[thread_index()] = shared<float>()[thread_index()]; }
__global__ void sum_of_a_block(float* out) {
  const float sum = reduce_block(static_cast<float>(thread_index()), Sum(), shared<float>());
  const float largest = reduce_block(static_cast<float>(thread_index()), Largest(), shared<float>());
  out[thread_index()] = sum + largest;
}

void run(void (*kernel)(float*), float* out, int threads, size_t shared_bytes) {
  launch(kernel, {}, threads, shared_bytes, nullptr, out);
}

TEST(Emulator, ReducesOverABlock) {
  for (const int threads : {32, 64, 256, 1024}) {
    std::vector<float> out(static_cast<size_t>(threads));
    run(sum_of_a_block, out.data(), threads, kWarp * sizeof(float));
    const auto n = static_cast<float>(threads);
    EXPECT_EQ(out, std::vector<float>(static_cast<size_t>(threads), n * (n - 1) / 2 + n - 1));
  }
}

TEST(Emulator, OrderShowsAMissingBarrier) {
  std::vector<float> forward(64), backward(64);
  cuda_emulation::set_order(cuda_emulation::Order::forward);
  run(missing_barrier, forward.data(), 64, 256);
  cuda_emulation::set_order(cuda_emulation::Order::backward);
  run(missing_barrier, backward.data(), 64, 256);
  EXPECT_NE(std::memcmp(forward.data(), backward.data(), 64 * sizeof(float)), 0);
}

TEST(Emulator, SharedMemoryBeginsWithNan) {
  std::vector<float> out(32);
  run(uninitialized, out.data(), 32, 128);
  for (const float value : out) EXPECT_TRUE(std::isnan(value));
}

TEST(Emulator, EndsAtBrokenRules) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  float out[64];
  EXPECT_DEATH(run(half_a_barrier, out, 64, 0), "elsewhere or have ended");
  EXPECT_DEATH(run(different_barriers, out, 64, 0), "different places");
  EXPECT_DEATH(run(half_a_warp, out, 16, 0), "part of a warp");
  EXPECT_DEATH(run(too_far, out, 32, 128), "beyond its end");
}

TEST(Emulator, RefusesWhatACardRefuses) {
  float out[1];
  EXPECT_FALSE(cuda_emulation::take_failure());
  run(uninitialized, out, 1025, 0);
  EXPECT_TRUE(cuda_emulation::take_failure());
  EXPECT_FALSE(cuda_emulation::take_failure());
  launch(uninitialized, {.x = 0}, 32, 0, nullptr, out);
  EXPECT_TRUE(cuda_emulation::take_failure());
  launch(uninitialized, {.x = 1, .y = 65536}, 32, 0, nullptr, out);
  EXPECT_TRUE(cuda_emulation::take_failure());
  run(too_far, out, 32, 200 << 10);
  EXPECT_TRUE(cuda_emulation::take_failure());
}

}  // namespace
}  // namespace easel::cuda
