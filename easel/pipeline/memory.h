// How much memory a job takes, known before it begins. Private to easel/pipeline.
#pragma once

#include <cstdint>

#include "easel/pipeline/model.h"

namespace easel {

struct JobSize {
  int64_t width_px;
  int64_t height_px;
  int64_t batch;         // images made together
  int64_t latents;       // that the network runs on for each image: 2 with guidance
  bool decodes_between;  // two runs of the UNet, which stays loaded, with the decoder between them
  bool merges_tokens = false;
  std::optional<int64_t> cache_branch = {};  // of which a feature is kept from call to call
  LoraMerger::Need loras = {};
  uint64_t control_bytes = 0;  // control.h
};

struct MemoryPlan {
  uint64_t needed_bytes;           // at the peak
  bool unload_unet_before_decode;  // it would not fit beside the decoder
};

// Measured: the program, its libraries and what the system's allocator keeps.
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

uint64_t skip_bytes(const UNetConfig& config, int64_t rows, int64_t columns, int64_t batch);

// Throws Error out_of_memory with what is needed, what there is and the cure, if `job` does not fit into
// `available_bytes`.
MemoryPlan plan_memory(const Model& model, const JobSize& job, uint64_t available_bytes);

}  // namespace easel
