#include "easel/pipeline/latent.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "easel/base/error.h"
#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/finite.h"
#include "easel/pipeline/guidance.h"
#include "easel/sampling/brownian.h"
#include "easel/sampling/registry.h"

namespace easel {
namespace {

bool predicts_v(const Model& model) { return *model.parameterization() == Parameterization::v; }

// Where `repaint` is 0 the prediction becomes the one that leads to `original`: whatever the solver, that part follows
// the noised original and ends as the original.
Network repainting(Network network, const LatentTask& task) {
  const bool v = predicts_v(task.model);
  const Tensor original = *task.start.original;
  const Tensor repaint = *task.start.repaint;
  const Tensor keep = -repaint + 1.0f;
  return [network = std::move(network), v, original, repaint, keep](const Tensor& x, const Level& level) {
    const auto signal = static_cast<float>(1.0 / std::hypot(1.0, level.sigma));  // sqrt(alpha_cumprod)
    const auto noise = static_cast<float>(level.sigma / std::hypot(1.0, level.sigma));
    const Tensor epsilon = (x - original * signal) / noise;
    const Tensor known = v ? epsilon * signal - original * noise : epsilon;
    return network(x, level) * repaint + known * keep;
  };
}

std::vector<uint64_t> seeds_of(std::span<const PlannedImage> batch) {
  std::vector<uint64_t> seeds;
  for (const PlannedImage& image : batch) seeds.push_back(image.seed);
  return seeds;
}

// Whether every step gives finite numbers. A card's are looked at a step later: it computes on meanwhile.
class FiniteSteps {
 public:
  void add(const Progress& progress) {
    check_pending();
    const Device& device = progress.denoised.device();
    pending_ = Pending{.step = progress.step,
                       .total = progress.total,
                       .hint = precision_hint(device),
                       .values = progress.denoised.start_values()};
    if (device.allocator().is_host()) check_pending();
  }
  void check_pending() {
    if (!pending_) return;
    const Pending step = *std::exchange(pending_, std::nullopt);
    if (is_finite(step.values())) return;
    throw Error(
        ErrorCode::bad_checkpoint,
        "the network gives numbers that are not finite at step {} of {}; the checkpoint is damaged, or its kind of "
        "prediction is the other one (--prediction eps|v){}",
        step.step, step.total, step.hint);
  }

 private:
  struct Pending {
    int64_t step;
    int64_t total;
    std::string hint;
    std::function<std::vector<float>()> values;
  };

  std::optional<Pending> pending_;
};

}  // namespace

Shape latent_shape(const Model& model, const Request& request, int64_t n) {
  return {n, *request.height_px / model.vae_factor(), *request.width_px / model.vae_factor(), model.latent_channels()};
}

Plan plan_for(const LatentTask& task) {
  const Levels levels = make_levels(find_schedule(*task.request.schedule), task.model.schedule(), *task.request.steps);
  const Convention convention = find_sampler(*task.request.sampler).sampler.convention;
  if (!task.start.latent) return make_plan(convention, levels);
  return plan_from(convention, levels, task.request, task.start.strength);
}

Tensor draw_latent(const LatentTask& task, NoiseSource& noise, const SampleOptions& options,
                   const BlockObserver& observe) {
  const Plan plan = plan_for(task);
  const StartingPoint& start = task.start;
  const Tensor x = start.latent ? plan.start(*start.latent, start.noise) : plan.start(start.noise);
  if (plan.steps.empty()) return x;

  PromptGuidance guidance(task, observe);
  const auto count = static_cast<int64_t>(plan.steps.size());
  int64_t finished_steps = 0;
  Network network = [&](const Tensor& x_t, const Level& level) {
    const int64_t from_end = count - finished_steps;
    return guidance(x_t, level, std::max<int64_t>(*task.request.steps - from_end, 0));
  };
  if (task.network) network = *task.network;
  if (start.repaint) network = repainting(std::move(network), task);
  const Prediction prediction = predicts_v(task.model) ? Prediction::v : Prediction::epsilon;
  const Denoiser denoiser(std::move(network), prediction, task.model.schedule());
  SampleOptions checked = options;
  FiniteSteps steps;
  checked.on_step = [&](const Progress& progress) {
    steps.add(progress);
    finished_steps = progress.step;
    if (options.on_step) options.on_step(progress);
  };
  const SamplerInfo& info = find_sampler(*task.request.sampler).sampler;
  BrownianNoise brownian(noise, task.step_noise, seeds_of(task.batch), plan);
  NoiseSource& step_noise = info.brownian ? static_cast<NoiseSource&>(brownian) : noise;
  const auto sampler = info.make({.eta = task.request.eta, .churn = {}});
  const Tensor latent = sample(*sampler, plan, denoiser, x, step_noise, checked);
  steps.check_pending();
  return latent;
}

Tensor decode_latent(const Model& model, const Tensor& latent, const BlockObserver& observe) {
  if (model.tiny_decoder() != nullptr) return decode_latent(*model.tiny_decoder(), latent);
  const RangeScope scope(latent.device(), ValueRange::wide);
  const Tensor pixels = model.vae_decoder()(latent / static_cast<float>(model.scale_factor()), observe);
  if (!is_finite(pixels)) {
    throw Error(ErrorCode::bad_checkpoint,
                "the VAE decoder gives numbers that are not finite; use another VAE with --vae FILE");
  }
  return pixels;
}

Tensor decode_latent(const TinyVaeDecoder& decoder, const Tensor& latent) {
  const Tensor pixels = decoder(latent);
  if (is_finite(pixels)) return pixels;
  throw Error(
      ErrorCode::bad_checkpoint,
      "the tiny VAE gives numbers that are not finite; leave --vae or --preview-vae out, or give another file{}",
      precision_hint(pixels.device()));
}

}  // namespace easel
