// Opens the devices of this machine.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/backend/device_list.h"
#include "easel/backend/profile.h"
#include "easel/backend/reduced_products.h"
#include "easel/tensor/counting_allocator.h"
#include "easel/tensor/device.h"

namespace easel {

struct DeviceOptions {
  std::string name = "cpu";  // or "cuda:0", "cuda:1", ..., "cuda" for the first; "auto": the first usable card, or cpu
  int threads = 0;           // 0: all processors of the machine
  uint64_t memory_limit_bytes = std::numeric_limits<uint64_t>::max();
  // Of the results of networks on a card: f32, f16 or bf16; nothing: what it is best at. On a processor they are f32,
  // and f16 is refused.
  std::optional<DType> activation_type = std::nullopt;
  // Which products may be of numbers with fewer bits: int8 and bf16 on a processor, int8 and fp8 on a card, where bf16
  // is an activation_type.
  ReducedProducts reduced = {};
  std::shared_ptr<Profile> profile = nullptr;  // where every operation is written down, if given
};

// Throws Error invalid_request for an unknown name, a thread count out of 1..1024 or a type that the device does not
// compute in; device_failure for a card that cannot be used, with the reason. Tensors of a card must be gone before it
// is.
std::shared_ptr<const Device> open_device(const DeviceOptions& options = {});

// The devices that `options.name` stands for, as Device::name() will say: "auto" as what it is here, and a list of
// cards with commas between, "cuda:0,cuda:1", in its order. Opens none. Throws Error as open_device() does, also for a
// list that names a card twice or anything but cards.
std::vector<std::string> find_devices(const DeviceOptions& options);

// Opens the device and has it compute a little. Throws Error as open_device() does, and device_failure if it does not
// compute any more.
void require_computing(const DeviceOptions& options);

// What this machine reaches on a large f32 matrix product, measured now, in a second or two. threads as above.
double matmul_gflops(int threads = 0);

// Whether this processor multiplies 8-bit integers faster than floats (VNNI).
bool int8_is_fast();

// The same of bf16 (AVX512_BF16 or AMX).
bool bf16_is_fast();
// Why products of bf16 cannot be had, so that f32 takes their place: no AVX-512, or a build without oneDNN. Empty: they
// can be had.
std::string_view bf16_unusable_because();

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
// reduced: as DeviceOptions has it
PlanningDevice open_planning_device(const PlanTarget& target, ReducedProducts reduced = {});

}  // namespace easel
