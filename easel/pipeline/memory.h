// How much memory a job takes, known before it begins, and what it does to take no more. Private to easel/pipeline.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "easel/pipeline/memory_trial.h"
#include "easel/pipeline/model_trial.h"

namespace easel {

// What --low-memory takes, unless the job needs more.
inline constexpr uint64_t kLowMemoryBytes = 480'000'000;

// What a job may take.
struct MemoryAllowance {
  uint64_t bytes;              // of the process, what it has now included
  uint64_t comfortable_bytes;  // of them, what a job takes as long as it can do with so much
  uint64_t tensor_bytes;       // of them, those that are allocated and not read from a file
};
// limit_bytes: what a person allows; the largest number for nothing said, which stands for 75 % of what is free.
MemoryAllowance memory_allowance(uint64_t limit_bytes, bool low_memory, const Device& device);

struct MemoryPlan {
  uint64_t needed_bytes = 0;  // at the peak
  bool stages_apart = false;  // the weights of a stage are given back before the next one
  StageModes modes = {};
  std::map<MemoryStage, uint64_t> budgets = {};  // for tensors and blocks that are kept for later; of stages apart

  // Nothing: blocks are kept as they pay.
  std::optional<uint64_t> budget_of(MemoryStage stage) const;
};
// "everything stays", "one stage at a time, weights from the file, 1 of a batch at once, decoding in bands that are
// computed twice"
std::string describe(const MemoryPlan& plan);

// The fastest way within what is comfortable, or else the one that takes least. Throws Error out_of_memory with the
// smallest limit that the job can be done in, what there is and the cure, if that is more than it may take.
MemoryPlan plan_memory(const MemoryTrial& trial, const MemoryAllowance& allowance);
MemoryPlan plan_memory(const Model& model, const JobSize& job, const MemoryAllowance& allowance,
                       const PlanTarget& target);
// The smallest limit that the job can be done in.
uint64_t smallest_memory(const MemoryTrial& trial);

// What token merging and the kept feature of `job` take beside the network. rows and columns are those of the latent.
uint64_t less_work_bytes(const UNetConfig& config, const JobSize& job, int64_t rows, int64_t columns);
uint64_t token_merging_bytes(const UNetConfig& config, int64_t rows, int64_t columns, int64_t batch);
uint64_t deep_feature_bytes(const UNetConfig& config, int64_t branch, int64_t rows, int64_t columns, int64_t batch);

}  // namespace easel
