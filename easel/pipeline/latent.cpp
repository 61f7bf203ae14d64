#include "easel/pipeline/latent.h"

#include "easel/base/error.h"
#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/finite.h"
#include "easel/sampling/brownian.h"
#include "easel/sampling/registry.h"

namespace easel {
namespace {

bool is_guided(const Request& request) { return needs_unconditional(*request.guidance_scale); }

// [unconditional..., conditional...], or the conditional half alone
Tensor context_of(const LatentTask& task) {
  std::vector<const Tensor*> parts;
  if (is_guided(task.request)) parts.assign(task.batch.size(), &task.prompts[task.request.negative_prompt]);
  for (const PlannedImage& image : task.batch) parts.push_back(&task.prompts[image.prompt]);
  Tensor context = *parts.front();
  for (size_t i = 1; i < parts.size(); ++i) context = ops::concat_batch(context, *parts[i]);
  return context;
}

Network network_for(const LatentTask& task, const BlockObserver& observe) {
  const UNet& unet = task.model.unet();
  auto conditioning = std::make_shared<const UNet::Conditioning>(unet.condition(context_of(task)));
  Network network = [&unet, conditioning, observe](const Tensor& x, const Level& level) {
    const std::vector<float> timesteps(static_cast<size_t>(x.dim(0)), static_cast<float>(level.timestep));
    return unet(x, timesteps, *conditioning, observe);
  };
  return guided(std::move(network), *task.request.guidance_scale);
}

void require_finite(const Progress& progress) {
  if (is_finite(progress.denoised)) return;
  throw Error(
      ErrorCode::bad_checkpoint,
      "the network gives numbers that are not finite at step {} of {}; the checkpoint is damaged, or its kind of "
      "prediction is the other one (--prediction eps|v)",
      progress.step, progress.total);
}

}  // namespace

Shape latent_shape(const Model& model, const Request& request, int64_t n) {
  return {n, *request.height_px / model.vae_factor(), *request.width_px / model.vae_factor(),
          model.vae_decoder().config().latent_channels};
}

Tensor draw_latent(const LatentTask& task, const Tensor& start_noise, NoiseSource& noise, const SampleOptions& options,
                   const BlockObserver& observe) {
  const SamplerChoice choice = find_sampler(*task.request.sampler);
  const NoiseSchedule& trained = task.model.schedule();
  const Levels levels = make_levels(find_schedule(*task.request.schedule), trained, *task.request.steps);
  const Plan plan = make_plan(choice.sampler.convention, levels);
  const bool predicts_v = *task.model.parameterization() == Parameterization::v;
  const Denoiser denoiser(network_for(task, observe), predicts_v ? Prediction::v : Prediction::epsilon, trained);
  SampleOptions checked = options;
  checked.on_step = [&](const Progress& progress) {
    require_finite(progress);
    if (options.on_step) options.on_step(progress);
  };
  BrownianNoise brownian(noise, parse_rng_kind(task.request.rng), task.batch.front().seed, plan);
  NoiseSource& step_noise = choice.sampler.brownian ? static_cast<NoiseSource&>(brownian) : noise;
  const auto sampler = choice.sampler.make({.eta = task.request.eta, .churn = {}});
  return sample(*sampler, plan, denoiser, plan.start(start_noise), step_noise, checked);
}

Tensor decode_latent(const Model& model, const Tensor& latent, const BlockObserver& observe) {
  const Tensor pixels = model.vae_decoder()(latent / static_cast<float>(model.scale_factor()), observe);
  if (!is_finite(pixels)) {
    throw Error(ErrorCode::bad_checkpoint,
                "the VAE decoder gives numbers that are not finite; use another VAE with --vae FILE");
  }
  return pixels;
}

}  // namespace easel
