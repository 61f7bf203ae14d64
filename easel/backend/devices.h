// Opens the devices of this machine.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "easel/backend/device_list.h"
#include "easel/backend/profile.h"
#include "easel/tensor/counting_allocator.h"
#include "easel/tensor/device.h"

namespace easel {

struct DeviceOptions {
  std::string name = "cpu";  // or "cuda:0", "cuda:1", ..., "cuda" for the first; "auto": the first usable card, or cpu
  int threads = 0;           // 0: all processors of the machine
  uint64_t memory_limit_bytes = std::numeric_limits<uint64_t>::max();
  // Of the results of networks: f32, f16 or bf16. Nothing: what the device is best at, f32 on a processor.
  std::optional<DType> activation_type = std::nullopt;
  // Given a weight's name: whether products and convolutions with it may be of 8-bit integers. Empty: none.
  std::function<bool(std::string_view)> int8_weights = {};
  std::shared_ptr<Profile> profile = nullptr;  // where every operation is written down, if given
};

// Throws Error invalid_request for an unknown name, a thread count out of 1..1024 or a type that the device does not
// compute in; device_failure for a card that cannot be used, with the reason. Tensors of a card must be gone before it
// is.
std::shared_ptr<const Device> open_device(const DeviceOptions& options = {});

// What this machine reaches on a large f32 matrix product, measured now, in a second or two. threads as above.
double matmul_gflops(int threads = 0);

// Whether this processor multiplies 8-bit integers faster than floats (VNNI).
bool int8_is_fast();

// What a plan is for: a processor of so many threads (as above), or a card.
struct PlanTarget {
  PlanTarget(int threads_or_all = 0) : threads(threads_or_all) {}  // not explicit: threads are a target
  PlanTarget(const Device& device, int threads_or_all);

  int threads;
  DeviceKind kind = DeviceKind::cpu;
  DType activation_type = DType::f32;
};

// A device that takes the memory which the target would take for an operation, and computes nothing.
struct PlanningDevice {
  std::shared_ptr<const Device> device;
  CountingAllocator& memory;  // of the device
};
// int8_weights: as DeviceOptions has it
PlanningDevice open_planning_device(const PlanTarget& target, std::function<bool(std::string_view)> int8_weights = {});

}  // namespace easel
