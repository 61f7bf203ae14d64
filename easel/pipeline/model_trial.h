// What a job of a diffusion model takes. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/control.h"
#include "easel/pipeline/memory_trial.h"
#include "easel/pipeline/model.h"

namespace easel {

// What the networks see; of an image in tiles, one tile.
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
  std::span<const std::shared_ptr<OpenControlNet>> controls = {};
  uint64_t sampling_bytes = 0;  // beside what the network and the solver take: the latents of all tiles
  uint64_t decoding_bytes = 0;  // beside what the decoder takes: the joined pixels of all tiles
};

// model and job: outlive this.
class ModelTrial : public MemoryTrial {
 public:
  ModelTrial(const Model& model, const JobSize& job, const PlanTarget& target)
      : MemoryTrial(target, model.reduced()), model_(model), job_(job) {}

  std::vector<MemoryStage> stages() const override;
  std::vector<StageModes> ladder(MemoryStage stage) const override;
  std::vector<std::string> prefixes(MemoryStage stage) const override;
  uint64_t weight_bytes(MemoryStage stage) const override;
  std::vector<std::pair<std::string, uint64_t>> blocks() const override { return model_.unet_blocks(); }
  uint64_t lasting_bytes() const override;
  uint64_t preparing_bytes() const override { return job_.loras.working_bytes; }
  uint64_t replaced_bytes() const override { return job_.loras.replaced_bytes; }
  std::string subject() const override;
  std::string cure() const override;

 private:
  void run(MemoryStage stage, const StageModes& modes, const PlanningDevice& plan) const override;
  void encode_text(const Weights& weights, const Device& device) const;
  void encode(const Weights& weights, const StageModes& modes, const Device& device) const;
  std::vector<Control> controls(const StageModes& modes, const Device& device) const;
  void sample(const Weights& weights, const StageModes& modes, const PlanningDevice& plan) const;
  void decode(const Weights& weights, const StageModes& modes, const PlanningDevice& plan) const;

  const Model& model_;
  const JobSize& job_;
};

}  // namespace easel
