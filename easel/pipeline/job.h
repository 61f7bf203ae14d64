// Job: one request on its way through the stages. Private to easel/pipeline.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "easel/pipeline/latent.h"
#include "easel/pipeline/memory.h"
#include "easel/pipeline/result.h"

namespace easel {

// What lives as long as a pipeline.
struct Workshop {
  const Device& device;
  Model& model;
  PromptEncoder& prompts;
  uint64_t memory_limit_bytes;
};

class Job {
 public:
  // Throws Error invalid_request.
  Job(Workshop workshop, const Request& request, const Callbacks& callbacks);
  Result run();

 private:
  using Batch = std::vector<PlannedImage>;

  void plan();
  Request completed(Parameterization parameterization) const;
  MemoryPlan memory_for(const Request& request) const;
  void find_parameterization();
  void encode_prompts();
  void start_noise(const Batch& batch);
  Tensor sample_batch(const Batch& batch);
  void decode_batch(const Batch& batch, const Tensor& latent);
  void finish_image(const PlannedImage& planned, Image image);

  void warn(const std::string& text);
  void tell(Stage stage, int64_t step, int64_t steps) const;
  void stop_if_cancelled() const;
  BlockObserver watch_cancel() const;

  Workshop workshop_;
  const Callbacks& callbacks_;
  Request request_;
  std::vector<Batch> batches_;
  MemoryPlan memory_{};
  int64_t batch_index_ = 0;
  std::unique_ptr<NoiseSource> noise_;
  std::optional<Tensor> start_noise_;  // [n, h, w, c] of this batch
  Result result_;
};

}  // namespace easel
