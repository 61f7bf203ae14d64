#include "easel/pipeline/memory_trial.h"

#include "easel/pipeline/reduced_layers.h"

namespace easel {

TrialPeak MemoryTrial::operator()(std::span<const MemoryStage> stages, const StageModes& modes,
                                  std::optional<uint64_t> budget) const {
  const PlanningDevice plan = open_planning_device(target_, reduced_products(reduced_));
  plan.memory.set_budget(budget);
  for (const MemoryStage stage : stages) run(stage, modes, plan);
  return {.bytes = plan.memory.peak_held_bytes(), .tensor_bytes = plan.memory.peak_block_bytes()};
}

std::vector<StageModes> NetworkTrial::ladder(MemoryStage /*stage*/) const {
  return {{.residency = Residency::packed}, {.residency = Residency::streamed}};
}

void NetworkTrial::run(MemoryStage /*stage*/, const StageModes& modes, const PlanningDevice& plan) const {
  job_.run(modes.residency.of(""), plan);
}

}  // namespace easel
