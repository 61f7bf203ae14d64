#include "easel/pipeline/job.h"

#include <algorithm>
#include <array>
#include <random>
#include <string_view>

#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/system.h"
#include "easel/image/tensor_image.h"
#include "easel/image/watermark.h"
#include "easel/pipeline/parameters.h"
#include "easel/pipeline/probe.h"
#include "easel/pipeline/timed.h"
#include "easel/pipeline/vocabulary.h"
#include "easel/sampling/registry.h"

namespace easel {
namespace {

constexpr size_t kMaxKnownPrompts = 256;  // 60 MB of SD 1

uint64_t random_seed() { return std::random_device()(); }  // 32 bits, which every generator tells apart

void check_eta(const Request& request) {
  constexpr std::array<std::string_view, 11> kWithout = {
      "plms", "dpm_solver", "euler", "heun", "dpm_2", "lms", "dpmpp_2m", "dpmpp_multistep", "dpmpp_3m", "unipc", "lcm"};
  if (request.eta.value_or(0.0) == 0.0) return;
  if (std::find(kWithout.begin(), kWithout.end(), *request.sampler) == kWithout.end()) return;
  throw Error(ErrorCode::invalid_request, "eta is {}, but the sampler {} adds no noise; use ddim or leave eta out",
              *request.eta, *request.sampler);
}

}  // namespace

Job::Job(Workshop workshop, const Request& request, const Callbacks& callbacks)
    : workshop_(workshop), callbacks_(callbacks), request_(request) {
  check(request_);
}

Result Job::run() {
  plan();
  encode_prompts();
  for (const Batch& batch : batches_) {
    stop_if_cancelled();
    decode_batch(batch, sample_batch(batch));
    ++batch_index_;
  }
  result_.request = request_;
  result_.peak_tensor_bytes = workshop_.device.allocator().peak_bytes();
  return std::move(result_);
}

// The size may depend on the parameterization, and finding that out takes memory: hence two looks at it.
void Job::plan() {
  if (!request_.seed) request_.seed = random_seed();
  if (!workshop_.model.parameterization()) {
    memory_for(completed(Parameterization::eps));
    find_parameterization();
  }
  request_ = completed(*workshop_.model.parameterization());
  check(request_);
  check_eta(request_);
  memory_ = memory_for(request_);
  batches_ = plan_batches(request_, *request_.seed);
}

Request Job::completed(Parameterization parameterization) const {
  return with_defaults(request_,
                       defaults_for(workshop_.model.checkpoint(), workshop_.model.family(), parameterization));
}

MemoryPlan Job::memory_for(const Request& request) const {
  const auto prompts = static_cast<int64_t>(request.prompts.size());
  const JobSize size{.width_px = *request.width_px,
                     .height_px = *request.height_px,
                     .batch = prompts == 0 ? request.batch_size : std::min(request.batch_size, prompts),
                     .guided = needs_unconditional(*request.guidance_scale)};
  const uint64_t ours = workshop_.device.allocator().bytes_in_use();  // weights that are packed already
  return plan_memory(workshop_.model, size,
                     std::min(memory_info().available_bytes + ours, workshop_.memory_limit_bytes));
}

void Job::find_parameterization() {
  const Timed timed(result_.times.text);
  workshop_.prompts.prepare(workshop_.model, workshop_.device, {""}, [](const std::string&) {});
  const ProbeResult probe = probe_parameterization(workshop_.model.unet(), workshop_.prompts[""]);
  log::debug("probe: correlation of input and output {:.3f}", probe.likeness);
  if (!probe.certain) {
    warn(
        fmt::format("a look at the network does not tell whether it predicts eps or v; taking {} (--prediction or "
                    "--config says it)",
                    name_of(probe.parameterization)));
  }
  workshop_.model.set_parameterization(probe.parameterization);
}

void Job::encode_prompts() {
  const Timed timed(result_.times.text);
  tell(Stage::text, 0, 1);
  if (workshop_.prompts.size() > kMaxKnownPrompts) workshop_.prompts.forget();
  std::vector<std::string> prompts;
  const auto add = [&](const std::string& prompt) {
    if (std::find(prompts.begin(), prompts.end(), prompt) == prompts.end()) prompts.push_back(prompt);
  };
  if (needs_unconditional(*request_.guidance_scale)) add(request_.negative_prompt);
  for (const Batch& batch : batches_) {
    for (const PlannedImage& image : batch) add(image.prompt);
  }
  for (const std::string& prompt : prompts) {
    if (const auto hint = vocabulary_hint(workshop_.model.checkpoint(), prompt)) warn(*hint);
  }
  workshop_.prompts.prepare(workshop_.model, workshop_.device, prompts,
                            [this](const std::string& text) { warn(text); });
  workshop_.model.unload_text_encoder();
  tell(Stage::text, 1, 1);
}

void Job::start_noise(const Batch& batch) {
  const auto n = static_cast<int64_t>(batch.size());
  const RngKind kind = parse_rng_kind(request_.rng);
  const bool one_stream = request_.noise_order == NoiseOrder::compvis;
  if (!one_stream) {
    noise_ = std::make_unique<PerImageNoise>(kind, batch.front().seed, n);
  } else if (!noise_) {
    noise_ = std::make_unique<BatchNoise>(kind, *request_.seed);
  }
  if (one_stream && request_.fixed_code && start_noise_) {  // a last batch may be smaller
    start_noise_ = start_noise_->slice(0, n);
  } else {
    start_noise_ = noise_->draw(workshop_.device, latent_shape(workshop_.model, request_, n));
  }
}

Tensor Job::sample_batch(const Batch& batch) {
  const Timed timed(result_.times.sampling);
  start_noise(batch);
  const auto on_step = [&](const Progress& progress) {
    ++result_.times.network_steps;
    tell(Stage::sampling, progress.step, progress.total);
  };
  tell(Stage::sampling, 0, *request_.steps);
  const LatentTask task{workshop_.model, workshop_.prompts, request_, batch};
  return draw_latent(task, *start_noise_, *noise_, {.on_step = on_step, .cancel = callbacks_.cancel}, watch_cancel());
}

void Job::decode_batch(const Batch& batch, const Tensor& latent) {
  const Timed timed(result_.times.decoding);
  const auto count = static_cast<int64_t>(batch.size());
  tell(Stage::decoding, 0, count);
  if (memory_.unload_unet_before_decode) workshop_.model.unload_unet();
  for (int64_t i = 0; i < count; ++i) {
    stop_if_cancelled();
    const Tensor pixels = decode_latent(workshop_.model, latent.slice(i, i + 1), watch_cancel());
    finish_image(batch[static_cast<size_t>(i)], images_from(pixels).front());
    tell(Stage::decoding, i + 1, count);
  }
}

void Job::finish_image(const PlannedImage& planned, Image image) {
  const std::string_view mark = workshop_.model.family() == Family::sd2 ? kWatermarkSd2 : kWatermarkSd1;
  const bool watermarked = request_.watermark && write_watermark_inplace(image, mark);
  result_.images.push_back({.image = std::move(image),
                            .seed = planned.seed,
                            .prompt = planned.prompt,
                            .parameters = describe(request_, planned, workshop_.model.name()),
                            .watermarked = watermarked});
  if (callbacks_.on_image) callbacks_.on_image(result_.images.back());
}

void Job::warn(const std::string& text) {
  if (std::find(result_.warnings.begin(), result_.warnings.end(), text) != result_.warnings.end()) return;
  result_.warnings.push_back(text);
  if (callbacks_.on_warning) callbacks_.on_warning(text);
}

void Job::tell(Stage stage, int64_t step, int64_t steps) const {
  if (!callbacks_.on_progress) return;
  callbacks_.on_progress({.stage = stage,
                          .step = step,
                          .steps = steps,
                          .batch = batch_index_,
                          .batches = static_cast<int64_t>(batches_.size())});
}

void Job::stop_if_cancelled() const {
  if (callbacks_.cancel.cancelled()) throw Error(ErrorCode::cancelled, "the job was cancelled");
}

BlockObserver Job::watch_cancel() const {
  return [this](std::string_view, const Tensor&) { stop_if_cancelled(); };
}

}  // namespace easel
