#include "easel/backend/devices.h"

#include "easel/backend/cpu/bf16.h"
#include "easel/backend/cpu/cpu_backend.h"
#include "easel/backend/cpu/instruction_limit.h"
#include "easel/backend/cpu/int8_dot.h"
#include "easel/backend/cpu/matmul_rate.h"
#include "easel/backend/cpu/planning_backend.h"
#include "easel/base/error.h"
#include "easel/base/system.h"

namespace easel {

std::shared_ptr<const Device> open_device(const DeviceOptions& options) {
  if (options.name != "cpu") {
    throw Error(ErrorCode::invalid_request, "device '{}' is unknown, expected cpu", options.name);
  }
  if (options.threads < 0 || options.threads > 1024) {
    throw Error(ErrorCode::invalid_request, "{} threads asked for, expected 1 to 1024, or 0 for all processors",
                options.threads);
  }
  cpu::apply_instruction_limit();
  const int threads = options.threads > 0 ? options.threads : processor_count();
  std::shared_ptr<Backend> backend = std::make_shared<cpu::CpuBackend>(threads, options.reduced);
  if (options.profile) backend = make_profiling_backend(std::move(backend), options.profile);
  return std::make_shared<const Device>(
      DeviceKind::cpu, "cpu", std::make_unique<HostAllocator>(options.memory_limit_bytes), std::move(backend));
}

bool int8_is_fast() { return cpu::int8_variants().front().is_fast; }
bool bf16_is_fast() { return cpu::bf16_is_fast(); }
bool bf16_works() { return cpu::bf16_works(); }

double matmul_gflops(int threads) { return cpu::matmul_gflops(threads > 0 ? threads : processor_count()); }

PlanningDevice open_planning_device(int threads, ReducedProducts reduced) {
  auto allocator = std::make_unique<CountingAllocator>();
  CountingAllocator& memory = *allocator;
  auto backend =
      std::make_shared<cpu::PlanningBackend>(threads > 0 ? threads : processor_count(), std::move(reduced), memory);
  return {std::make_shared<const Device>(DeviceKind::cpu, "plan", std::move(allocator), std::move(backend)), memory};
}

}  // namespace easel
