// Opens the devices of this machine.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "easel/backend/profile.h"
#include "easel/backend/reduced_products.h"
#include "easel/tensor/counting_allocator.h"
#include "easel/tensor/device.h"

namespace easel {

struct DeviceOptions {
  std::string name = "cpu";
  int threads = 0;  // 0: all processors of the machine
  uint64_t memory_limit_bytes = std::numeric_limits<uint64_t>::max();
  ReducedProducts reduced = {};                // which products may be of numbers with fewer bits
  std::shared_ptr<Profile> profile = nullptr;  // where every operation is written down, if given
};

// Throws Error invalid_request for an unknown name or a thread count out of 1..1024.
std::shared_ptr<const Device> open_device(const DeviceOptions& options = {});

// What this machine reaches on a large f32 matrix product, measured now, in a second or two. threads as above.
double matmul_gflops(int threads = 0);

// Whether this processor multiplies 8-bit integers faster than floats (VNNI).
bool int8_is_fast();

// The same of bf16 (AVX512_BF16 or AMX).
bool bf16_is_fast();
// Whether products of bf16 can be had at all (AVX-512); f32 takes their place otherwise.
bool bf16_works();

// A device that takes the memory which the CPU device would take for an operation, and computes nothing.
struct PlanningDevice {
  std::shared_ptr<const Device> device;
  CountingAllocator& memory;  // of the device
};
// reduced: as DeviceOptions has it
PlanningDevice open_planning_device(int threads, ReducedProducts reduced = {});

}  // namespace easel
