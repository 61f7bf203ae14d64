#include "easel/pipeline/job.h"

#include <algorithm>
#include <exception>
#include <string_view>

#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/text.h"
#include "easel/image/tensor_image.h"
#include "easel/image/watermark.h"
#include "easel/pipeline/hires.h"
#include "easel/pipeline/parameters.h"
#include "easel/pipeline/probe.h"
#include "easel/pipeline/prompt_plan.h"
#include "easel/pipeline/tasks.h"
#include "easel/pipeline/timed.h"
#include "easel/pipeline/vocabulary.h"
#include "easel/sampling/registry.h"

namespace easel {
namespace {

constexpr size_t kMaxKnownPrompts = 256;  // 60 MB of SD 1

// Ends the sampling of a batch that callbacks.skip leaves out.
struct BatchSkipped : std::exception {};

std::string_view default_watermark(Family family) {
  const bool sd1 = family == Family::sd1 || family == Family::sd1_inpaint;
  return sd1 ? kWatermarkSd1 : kWatermarkSd2;
}

bool holds_watermark(const Image& image, std::string_view text) {
  const auto match = match_watermark(image, std::span(&text, 1));
  return match && match->is_certain();
}

int64_t latents_per_image(const Request& request) {
  std::vector<std::string> prompts = request.prompts;
  if (prompts.empty()) prompts.push_back(request.prompt);
  int64_t most = 0;
  for (const std::string& prompt : prompts) {
    most = std::max(most, network_rows(request, plan_prompt(request, prompt, {.steps = *request.steps})));
  }
  return most;
}

// Nothing if every call of the network is a full one. Throws Error invalid_request for one that the network lacks.
std::optional<int64_t> used_cache_branch(const Request& request, const UNetConfig& config) {
  const int64_t branch = request.cache_branch.value_or(0);
  if (branch >= config.branches()) {
    throw Error(ErrorCode::invalid_request, "cache branch is {}, but this model has {} branches: expected 0 to {}",
                branch, config.branches(), config.branches() - 1);
  }
  return request.cache_interval.value_or(1) > 1 ? std::optional(branch) : std::nullopt;
}

// The request has a size.
Size size_of(const Request& request) { return {*request.width_px, *request.height_px}; }

std::vector<SchedulePass> schedule_passes(const Request& request) {
  std::vector<SchedulePass> passes = {{.steps = *request.steps}};
  if (const auto second = hires_request(request)) {
    passes.push_back({.steps = *request.steps, .second_pass_steps = *second->steps});
  }
  return passes;
}

}  // namespace

Job::Job(Workshop workshop, const Request& request, const Callbacks& callbacks)
    : workshop_(workshop), callbacks_(callbacks), request_(request), memory_(workshop.model, workshop.device) {
  check(request_);
}

Request Job::completed() {
  plan();
  return request_;
}

Result Job::run() {
  plan();
  workshop_.model.hash([this] { stop_if_cancelled(); });
  apply_loras();
  encode_prompts();
  encode_image();
  noise_.emplace(request_);
  hires_noise_.emplace(request_);
  for (const Batch& batch : batches_) {
    stop_if_cancelled();
    callbacks_.skip.take();  // what was meant for an earlier batch
    try {
      decode_batch(batch, sample_batch(batch));
    } catch (const BatchSkipped&) {
      warn(fmt::format("batch {} of {} was skipped", batch_index_ + 1, batches_.size()));
    }
    ++batch_index_;
  }
  result_.request = request_;
  result_.peak_tensor_bytes = workshop_.device.allocator().peak_bytes();
  return std::move(result_);
}

// The size may depend on the parameterization, and finding that out takes memory: hence two looks at it.
void Job::plan() {
  Model& model = workshop_.model;
  check_family(request_.task, model.family(), model.checkpoint().file());
  control_nets_ = workshop_.adapters->controls.open(workshop_.adapters->shelf, request_, model);
  loras_ = workshop_.adapters->loras.open(workshop_.adapters->shelf, loras_of(request_));
  if (request_.task != Task::txt2img) model.require_vae_encoder();
  if (request_.task == Task::depth2img && !request_.depth_map) model.require_depth_network();
  if (request_.hires_scale) {
    hires_upscaler_.emplace(request_.hires_upscaler.value_or(std::string(kLatentUpscaler)), workshop_.upscalers);
    if (hires_upscaler_->enlarges_images()) model.require_vae_encoder();
  }
  if (!request_.seed) request_.seed = random_seed();
  if (request_.variation_strength && !request_.variation_seed) request_.variation_seed = random_seed();
  choose_size();
  if (!workshop_.model.parameterization()) {
    keep_to(memory_for(with_model_defaults(Parameterization::eps)));
    find_parameterization();
  }
  request_ = with_model_defaults(*workshop_.model.parameterization());
  check(request_);
  check_eta(request_);
  workshop_.model.set_padding(request_.tiling ? PaddingMode::circular : PaddingMode::zeros);
  keep_to(memory_for(request_));
  batches_ = plan_batches(request_, *request_.seed);
}

// Where nobody names a size, an initial image decides; only_masked draws a part of it at the model's own size.
void Job::choose_size() {
  if (!request_.init_image || request_.only_masked) return;
  const Size size = canvas_size(request_);
  if (!request_.width_px) request_.width_px = size.width_px;
  if (!request_.height_px) request_.height_px = size.height_px;
}

Request Job::with_model_defaults(Parameterization parameterization) const {
  const Model& model = workshop_.model;
  Request request = with_defaults(request_, defaults_for(model.checkpoint(), model.family(), parameterization));
  if (request.task != Task::txt2img && !request.strength) {
    request.strength = default_strength(request.task, model.family());
  }
  return request;
}

MemoryPlan Job::memory_for(const Request& request) const {
  const auto prompts = static_cast<int64_t>(request.prompts.size());
  const Request last = hires_request(request).value_or(request);  // the largest pass
  const bool enlarges = hires_upscaler_ && hires_upscaler_->enlarges_images();
  const JobSize size{
      .width_px = *last.width_px,
      .height_px = *last.height_px,
      .batch = prompts == 0 ? request.batch_size : std::min(request.batch_size, prompts),
      .latents = latents_per_image(request),
      .from_image = request.task != Task::txt2img || enlarges,
      .estimates_depth = request.task == Task::depth2img && !request.depth_map,
      .merges_tokens = request.token_merging_ratio.value_or(0.0) > 0.0,
      .cache_branch = used_cache_branch(request, workshop_.model.unet().config()),
      .loras = workshop_.model.lora_need(loras_),
      .controls = control_nets_,
      .decoding_bytes = enlarges ? hires_upscaler_->least_bytes(size_of(request), size_of(last), workshop_.target) : 0};
  const MemoryAllowance allowance =
      memory_allowance(workshop_.memory_limit_bytes, workshop_.low_memory, workshop_.device);
  return plan_memory(workshop_.model, size, allowance, workshop_.target);
}

void Job::keep_to(const MemoryPlan& plan) {
  result_.planned_bytes = plan.needed_bytes;
  memory_.keep_to(plan);
  for (const auto& control_net : control_nets_) {
    control_net->arrange(plan.modes.residency.of(OpenControlNet::kWeights));
  }
}

void Job::enter(MemoryStage stage) {
  memory_.enter(stage);
  if (!memory_.plan().stages_apart) return;
  for (const auto& control_net : control_nets_) control_net->unload();
}

void Job::find_parameterization() {
  const Timed timed(result_.times.text);
  enter(MemoryStage::text);
  workshop_.prompts.prepare(workshop_.model, workshop_.device, {""}, {}, [](const std::string&) {});
  enter(MemoryStage::sampling);
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

void Job::apply_loras() {
  const Timed timed(result_.times.text);
  if (workshop_.model.set_loras(loras_, *workshop_.host, [this] { stop_if_cancelled(); })) workshop_.prompts.forget();
  lora_hashes_ = workshop_.adapters->loras.hashes(workshop_.adapters->shelf, loras_of(request_));
}

void Job::encode_prompts() {
  const Timed timed(result_.times.text);
  enter(MemoryStage::text);
  tell(Stage::text, 0, 1);
  if (workshop_.prompts.size() > kMaxKnownPrompts) workshop_.prompts.forget();
  std::vector<std::string> prompts;
  const auto add = [&](const std::string& prompt) {
    if (std::find(prompts.begin(), prompts.end(), prompt) == prompts.end()) prompts.push_back(prompt);
  };
  workshop_.prompts.set_words(workshop_.adapters->shelf, workshop_.model);
  const std::vector<SchedulePass> passes = schedule_passes(request_);
  for (const Batch& batch : batches_) {
    for (const PlannedImage& image : batch) {
      for (const std::string& text : texts_of(request_, image.prompt, passes)) add(text);
    }
  }
  for (const std::string& prompt : prompts) {
    const std::string words = workshop_.prompts.without_words(words_of(request_, prompt));
    const auto word_hint = request_.plain_prompt ? std::nullopt : workshop_.prompts.word_hint(words);
    if (word_hint) warn(*word_hint);
    if (const auto hint = vocabulary_hint(workshop_.model.checkpoint(), words)) warn(*hint);
  }
  workshop_.prompts.prepare(workshop_.model, workshop_.device, prompts,
                            {.plain = request_.plain_prompt, .clip_skip = request_.clip_skip.value_or(1)},
                            [this](const std::string& text) { warn(text); });
  workshop_.model.unload_text_encoder();
  tell(Stage::text, 1, 1);
}

void Job::encode_image() {
  if (request_.task == Task::txt2img) return;
  const Timed timed(result_.times.encoding);
  enter(MemoryStage::encoding);
  tell(Stage::encoding, 0, 1);
  image_start_.emplace(workshop_.model, workshop_.device, request_, Canvas(request_), watch_cancel());
  tell(Stage::encoding, 1, 1);
}

void Job::decode_batch(const Batch& batch, const Tensor& latent) {
  const Timed timed(result_.times.decoding);
  const auto count = static_cast<int64_t>(batch.size());
  tell(Stage::decoding, 0, count);
  enter(MemoryStage::decoding);
  for (int64_t i = 0; i < count; ++i) {
    stop_if_cancelled();
    const Tensor pixels = decode_latent(workshop_.model, latent.slice(i, i + 1), watch_cancel());
    result_.images.push_back(finished(batch[static_cast<size_t>(i)], pixels));
    if (callbacks_.on_image) callbacks_.on_image(result_.images.back());
    tell(Stage::decoding, i + 1, count);
  }
}

GeneratedImage Job::finished(const PlannedImage& planned, const Tensor& pixels) {
  Image image = images_from(pixels).front();
  const std::string mark = request_.watermark_text.value_or(std::string(default_watermark(workshop_.model.family())));
  bool watermarked = request_.watermark && write_watermark_inplace(image, mark);
  if (image_start_) {  // pixels of the initial image that come back stay as they were, without the mark
    image = image_start_->canvas().finish(image);
    watermarked = watermarked && holds_watermark(image, mark);
  }
  const ModelName model{.name = workshop_.model.name(), .hash = workshop_.model.hash()};
  return {.image = std::move(image),
          .seed = planned.seed,
          .prompt = planned.prompt,
          .parameters = describe(request_, planned, model, lora_hashes_),
          .watermarked = watermarked};
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

BlockObserver Job::watch_skip() const {
  return [this](std::string_view, const Tensor&) {
    stop_if_cancelled();
    if (callbacks_.skip.take()) throw BatchSkipped();
  };
}

}  // namespace easel
