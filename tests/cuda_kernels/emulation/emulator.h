// Runs a kernel's blocks on the host. A block's threads are fibers of one thread of the host, which run one after the
// other, each until it waits for others or ends; in which order they come is a matter of set_order. What the rules of
// CUDA forbid ends the program with a message on stderr: threads that wait at different places or have left while
// others wait, shuffles with half a warp, shared memory that is written beyond its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

struct dim3 {
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  unsigned x, y, z;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_emulation {

struct Launch {
  const void* kernel;
  dim3 grid, block;
  size_t shared_bytes;
};

// False, as a card would say, if there is no such launch: too many threads or blocks, or none, or more shared memory
// than the kernel was allowed.
bool run(const Launch& launch, const std::function<void()>& thread);

// More than 48 KiB of shared memory for a kernel; false if no card has so much.
bool allow_shared(const void* kernel, int bytes);

// Whether a launch failed since the last call.
bool take_failure();

// Called by threads of a kernel, from the given line of its source.
void wait_for_block(unsigned line);
// What the lane `lane_mask` away brings (of the same width).
uint64_t exchange(unsigned mask, uint64_t value, int lane_mask, unsigned line);
// mma.m16n8k16 of PTX by a whole warp: sums += a b, with matrices shared out as easel/backend/cuda/kernels/mma.cuh
// says.
void multiply_add(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float (*to_float)(uint16_t bits));

// A result that depends on the order of threads tells of a barrier that is missing.
enum class Order { forward, backward };
void set_order(Order order);

}  // namespace cuda_emulation
