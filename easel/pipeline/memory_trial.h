// The stages of a job, run without memory and arithmetic to see what they would take. Private to easel/pipeline.
#pragma once

#include <functional>

#include "easel/backend/devices.h"
#include "easel/pipeline/model.h"

namespace easel {

struct JobSize {
  int64_t width_px;
  int64_t height_px;
  int64_t batch;                 // images made together
  int64_t latents;               // that the network runs on for each image: 2 with guidance
  bool from_image = false;       // which is encoded first, or between two passes
  bool estimates_depth = false;  // of that image, by the depth network
  bool merges_tokens = false;
  std::optional<int64_t> cache_branch = {};  // of which a feature is kept from call to call
  LoraMerger::Need loras = {};
  std::vector<std::shared_ptr<const Checkpoint>> controls = {};  // files of the ControlNets, all at work in every step
};

// How the stages go about it.
struct StageModes {
  ResidencyPlan residency = {};
  int64_t rows_at_once = 0;  // of the network's batch; 0: all
  VaeBands encoder_bands = VaeBands::none;
  VaeBands decoder_bands = VaeBands::none;

  bool operator==(const StageModes&) const = default;
};

enum class MemoryStage { text, encoding, sampling, decoding };  // encoding: with the depth network, if it is asked

// ControlNets go with the UNet: their weights stay if all of its do.
Residency control_residency(const StageModes& modes);

struct TrialPeak {
  uint64_t bytes;         // of tensors and of the pages of files
  uint64_t tensor_bytes;  // alone
};

class MemoryTrial {
 public:
  MemoryTrial(const Model& model, const JobSize& job, int threads) : model_(model), job_(job), threads_(threads) {}

  // The stages one after the other, each weight that stays staying. budget: of the allocator.
  TrialPeak operator()(std::span<const MemoryStage> stages, const StageModes& modes,
                       std::optional<uint64_t> budget) const;

 private:
  void run(MemoryStage stage, const StageModes& modes, const Device& device) const;
  void encode_text(const Weights& weights, const Device& device) const;
  void take_tiny_vae(const Device& device) const;
  void sample(const Weights& weights, const StageModes& modes, const Device& device) const;

  const Model& model_;
  const JobSize& job_;
  int threads_;
};

}  // namespace easel
