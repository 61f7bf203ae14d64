// How much memory a job takes, known before it begins, and what it does to take no more. Private to easel/pipeline.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "easel/pipeline/memory_trial.h"

namespace easel {

// What a job may take.
struct MemoryAllowance {
  uint64_t bytes;              // of the process, what it has now included
  uint64_t comfortable_bytes;  // of them, what a job takes as long as it can do with so much
  uint64_t tensor_bytes;       // of them, those that are allocated and not read from a file
  bool least = false;          // as little as there can be, however long it takes
};
// limit_bytes: what a person allows; the largest number for nothing said, which stands for 75 % of what is free.
MemoryAllowance memory_allowance(uint64_t limit_bytes, bool least, const Device& device);

struct MemoryPlan {
  uint64_t needed_bytes = 0;  // at the peak
  bool stages_apart = false;  // the weights of a stage are given back before the next one
  StageModes modes = {};
  std::map<MemoryStage, uint64_t> budgets = {};  // for tensors and blocks that are kept for later; of stages apart
};
// "everything stays", "one stage at a time, weights from the file, 1 of a batch at once, decoding in bands"
std::string describe(const MemoryPlan& plan);

// Measured: the program, its libraries and what they allocate.
inline constexpr uint64_t kProgramBytes = 60'000'000;
// A weight is read from its file into one buffer and packed into another.
inline constexpr uint64_t kLargestPackingBytes = 80'000'000;

// What stays in memory of weights that take `bytes` as f32.
uint64_t kept_weight_bytes(const Model& model, uint64_t bytes);
// The same of UNet and decoder, whose integers are packed and kept if the model computes with them.
uint64_t kept_int8_bytes(const Model& model, uint64_t bytes);

// What the networks need for their intermediate results, from their shapes. rows and columns are those of the latent.
uint64_t unet_activation_bytes(const UNetConfig& config, int64_t rows, int64_t columns, int64_t batch);
uint64_t token_merging_bytes(const UNetConfig& config, int64_t rows, int64_t columns, int64_t batch);
uint64_t deep_feature_bytes(const UNetConfig& config, int64_t branch, int64_t rows, int64_t columns, int64_t batch);
uint64_t decoder_activation_bytes(const VaeConfig& config, int64_t rows, int64_t columns);  // one image at a time
uint64_t decoder_activation_bytes(const TinyVaeConfig& config, int64_t rows, int64_t columns);
uint64_t decoder_activation_bytes(const Model& model, int64_t rows, int64_t columns);  // of the one that decodes

// What token merging and the kept feature of `job` take beside the network.
uint64_t less_work_bytes(const UNetConfig& config, const JobSize& job, int64_t rows, int64_t columns);

// The fastest way within the allowance. Throws Error out_of_memory with the smallest limit that `job` can be done in,
// what there is and the cure, if it does not fit.
MemoryPlan plan_memory(const Model& model, const JobSize& job, const MemoryAllowance& allowance, int threads);

}  // namespace easel
