#include "easel/pipeline/stage_memory.h"

#include "easel/base/log.h"
#include "easel/base/text.h"

namespace easel {

void StageMemory::keep_to(const MemoryPlan& plan) {
  plan_ = plan;
  log::debug("memory: needs {}; {}", format_bytes(plan.needed_bytes), describe(plan));
  model_.arrange(plan.modes.residency, plan.modes.encoder_bands, plan.modes.decoder_bands);
  if (!plan.stages_apart) device_.allocator().set_budget(std::nullopt);
}

void StageMemory::enter(MemoryStage stage) {
  if (!plan_.stages_apart) return;
  Allocator& allocator = device_.allocator();
  model_.unload_all();
  allocator.set_budget(0);
  if (const auto budget = plan_.budget_of(stage)) allocator.set_budget(budget);
}

}  // namespace easel
