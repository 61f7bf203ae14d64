// Job: the sampling of a batch, in one pass or two.
#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/image/tensor_image.h"
#include "easel/pipeline/depth_estimator.h"
#include "easel/pipeline/hires.h"
#include "easel/pipeline/job.h"
#include "easel/pipeline/timed.h"

namespace easel {
namespace {

void check_interval(int64_t every, int64_t steps) {
  if (every >= 1 && every < steps) return;
  throw Error(ErrorCode::invalid_request,
              "intermediate images every {} steps, expected 1 or more, and fewer than the {} steps of the image", every,
              steps);
}

int64_t step_count(const LatentTask& task) { return static_cast<int64_t>(plan_for(task).steps.size()); }

}  // namespace

Tensor Job::sample_batch(const Batch& batch) {
  const Timed timed(result_.times.sampling);
  const Model& model = workshop_.model;
  enter(MemoryStage::sampling);
  const Shape shape = latent_shape(model, request_, static_cast<int64_t>(batch.size()));
  noise_->begin(batch);
  StartingPoint start = image_start_ ? image_start_->begin(*noise_, shape)
                                     : StartingPoint{.noise = noise_->start(workshop_.device, shape)};
  LatentTask first{model, workshop_.prompts, request_, batch, std::move(start), noise_->step_kind()};
  first.controls = controls_for(request_);
  first.rows_at_once = memory_.plan().modes.rows_at_once;
  const Tensor latent = run_sampler(first, *noise_);
  const std::optional<Request> second = hires_request(request_);
  if (!second) return latent;
  hires_noise_->begin(batch);
  start = start_second_pass(*second, latent);
  LatentTask again{model, workshop_.prompts, *second, batch, std::move(start), noise_->step_kind()};
  again.first_pass_steps = request_.steps;
  again.controls = controls_for(*second);
  again.rows_at_once = memory_.plan().modes.rows_at_once;
  return run_sampler(again, *hires_noise_, step_count(first));
}

StartingPoint Job::start_second_pass(const Request& second, const Tensor& latent) {
  const Model& model = workshop_.model;
  if (!hires_upscaler_->enlarges_images()) return hires_start(model, second, latent, *hires_noise_, {});
  enter(MemoryStage::decoding);
  const Size target{*second.width_px, *second.height_px};
  const Callbacks calls{
      .on_progress = [this](const JobProgress& tiles) { tell(Stage::upscaling, tiles.step, tiles.steps); },
      .cancel = callbacks_.cancel};
  const auto enlarge = [&](const Image& small) {
    const Allocator& allocator = workshop_.device.allocator();
    const std::optional<uint64_t> on_card = allocator.available_bytes();
    const uint64_t taken = on_card ? allocator.bytes_in_use() : resident_bytes(), limit = workshop_.memory_limit_bytes;
    const uint64_t available = on_card.value_or(memory_info().available_bytes);
    const uint64_t free = std::min(available, limit > taken ? limit - taken : 0);
    const UpscaleMemory beside{workshop_.device, free, workshop_.low_memory, workshop_.target};
    Image large = (*hires_upscaler_)(small, target, beside, calls);
    workshop_.device.allocator().set_budget(memory_.plan().budget_of(MemoryStage::decoding));
    return large;
  };
  StartingPoint start = hires_start(model, second, latent, *hires_noise_, enlarge, watch_cancel());
  enter(MemoryStage::sampling);
  return start;
}

// A depth network is opened for as long as it takes to look at the image.
std::vector<Control> Job::controls_for(const Request& pass) {
  const auto estimate_depth = [&](const Image& image) {
    DepthEstimator estimator({.checkpoint = find_depth_model(std::nullopt),
                              .device = workshop_.device.name(),
                              .memory_limit_bytes = workshop_.memory_limit_bytes,
                              .low_memory = workshop_.low_memory});
    return image_from(mask_from(estimator.estimate(image, callbacks_.cancel).map));
  };
  const Image* initial = image_start_ ? &image_start_->canvas().image() : nullptr;
  return make_controls(control_nets_, pass, initial, workshop_.device, estimate_depth);
}

Tensor Job::run_sampler(const LatentTask& task, JobNoise& noise, int64_t steps_before) {
  if (callbacks_.on_intermediate && steps_before == 0) check_interval(callbacks_.intermediate_every, step_count(task));
  const auto on_step = [&](const Progress& progress) {
    ++result_.times.network_steps;
    show_preview(progress.denoised);
    tell(Stage::sampling, progress.step, progress.total);
    const int64_t step = steps_before + progress.step;
    const bool is_due = callbacks_.on_intermediate && step % callbacks_.intermediate_every == 0;
    if (is_due && progress.step < progress.total) show_intermediates(task.batch, progress.denoised, step);
  };
  tell(Stage::sampling, 0, step_count(task));
  return draw_latent(task, noise.steps(), {.on_step = on_step, .cancel = callbacks_.cancel}, watch_skip());
}

// Called while sample_batch() counts the time as that of sampling.
void Job::show_intermediates(std::span<const PlannedImage> batch, const Tensor& denoised, int64_t step) {
  Seconds spent{};
  {
    const Timed timed(spent);
    const Model& model = workshop_.model;
    enter(MemoryStage::decoding);
    for (size_t i = 0; i < batch.size(); ++i) {
      stop_if_cancelled();
      const auto at = static_cast<int64_t>(i);
      const Tensor estimate = denoised.slice(at, at + 1);
      const Tensor pixels = model.preview_vae_is_chosen() ? decode_latent(*model.preview_decoder(), estimate)
                                                          : decode_latent(model, estimate, watch_cancel());
      callbacks_.on_intermediate(
          {.estimate = finished(batch[i], pixels), .index = result_.images.size() + i, .step = step});
    }
    enter(MemoryStage::sampling);
  }
  result_.times.decoding += spent;
  result_.times.sampling -= spent;
}

// denoised [n, h, w, c]
void Job::show_preview(const Tensor& denoised) {
  if (memory_.plan().stages_apart || !callbacks_.is_preview_due()) return;
  callbacks_.on_preview(preview_(workshop_.model, denoised));
}

}  // namespace easel
