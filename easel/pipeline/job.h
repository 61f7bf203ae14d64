// Job: one request on its way through the stages. Private to easel/pipeline.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "easel/pipeline/hires_upscaler.h"
#include "easel/pipeline/image_start.h"
#include "easel/pipeline/job_noise.h"
#include "easel/pipeline/latent.h"
#include "easel/pipeline/latent_preview.h"
#include "easel/pipeline/lora_library.h"
#include "easel/pipeline/result.h"
#include "easel/pipeline/stage_memory.h"

namespace easel {

// What may change the model from job to job.
struct JobAdapters {
  AdapterShelf shelf;
  LoraLibrary loras;
  ControlLibrary controls;
};

// What lives as long as a pipeline.
struct Workshop {
  const Device& device;
  Model& model;
  PromptEncoder& prompts;
  uint64_t memory_limit_bytes;
  JobAdapters* adapters = nullptr;  // nullptr: none, for an upscaler
  bool low_memory = false;
  PlanTarget target = {};
  std::span<const std::filesystem::path> upscalers = {};  // for the hires fix, beside those of model_folders()
  const Device* host = nullptr;                           // whose memory merged weights take
};

class Job {
 public:
  // Throws Error invalid_request.
  Job(Workshop workshop, const Request& request, const Callbacks& callbacks);
  Result run();
  // What run() would draw: nothing is left open, and everything is checked that can be before the work.
  Request completed();

 private:
  using Batch = std::vector<PlannedImage>;

  void plan();
  void choose_size();
  Request with_model_defaults(Parameterization parameterization) const;
  MemoryPlan memory_for(const Request& request) const;
  void keep_to(const MemoryPlan& plan);
  void enter(MemoryStage stage);
  void find_parameterization();
  void apply_loras();
  std::vector<Control> controls_for(const Request& pass);
  void encode_prompts();
  void encode_image();
  Tensor sample_batch(const Batch& batch);
  StartingPoint start_second_pass(const Request& second, const Tensor& latent);
  // steps_before: of earlier passes over the same batch.
  Tensor run_sampler(const LatentTask& task, JobNoise& noise, int64_t steps_before = 0);
  void decode_batch(const Batch& batch, const Tensor& latent);
  GeneratedImage finished(const PlannedImage& planned, const Tensor& pixels);
  void show_intermediates(std::span<const PlannedImage> batch, const Tensor& denoised, int64_t step);

  void warn(const std::string& text);
  void show_preview(const Tensor& denoised);
  void tell(Stage stage, int64_t step, int64_t steps) const;
  void stop_if_cancelled() const;
  BlockObserver watch_cancel() const;
  BlockObserver watch_skip() const;

  Workshop workshop_;
  const Callbacks& callbacks_;
  Request request_;
  std::vector<LoraUse> loras_;
  std::string lora_hashes_;
  ControlNets control_nets_;
  std::vector<Batch> batches_;
  StageMemory memory_;
  int64_t batch_index_ = 0;
  std::optional<JobNoise> noise_;
  std::optional<JobNoise> hires_noise_;
  std::optional<HiresUpscaler> hires_upscaler_;  // if there is a second pass
  std::optional<ImageStart> image_start_;
  LatentPreview preview_;
  Result result_;
};

}  // namespace easel
