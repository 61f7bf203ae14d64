// Keeps a job of a diffusion model to its memory plan. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/memory.h"
#include "easel/pipeline/model.h"

namespace easel {

class StageMemory {
 public:
  // model and device: outlive this.
  StageMemory(Model& model, const Device& device) : model_(model), device_(device) {}

  void keep_to(const MemoryPlan& plan);
  // Before a stage: the one before gives its memory back, if the plan wants it.
  void enter(MemoryStage stage);
  const MemoryPlan& plan() const { return plan_; }

 private:
  Model& model_;
  const Device& device_;
  MemoryPlan plan_;
};

}  // namespace easel
