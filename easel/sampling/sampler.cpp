#include "easel/sampling/sampler.h"

#include <algorithm>
#include <cmath>

#include "easel/base/error.h"
#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

// x0 + sigma epsilon is this much larger than the latent as the convention keeps it.
double scale_of(Convention convention, const Level& level) {
  return convention == Convention::k_diffusion ? 1.0 : std::hypot(1.0, level.sigma);
}

}  // namespace

Tensor Plan::start(const Tensor& noise) const {
  const Level& first = steps.front().at;
  return noise * (convention == Convention::k_diffusion ? first.sigma : 1.0);
}

Tensor Plan::start(const Tensor& latent, const Tensor& noise) const {
  if (steps.empty()) return latent;
  if (!noised_at) return start(noise);
  return (latent + noise * noised_at->sigma) / scale_of(convention, *noised_at);
}

Plan make_plan(Convention convention, const Levels& levels) {
  Plan plan = make_plan(convention, levels, static_cast<int64_t>(levels.size()) - 1);
  plan.noised_at.reset();
  return plan;
}

Plan make_plan(Convention convention, const Levels& levels, int64_t count) {
  const auto all = static_cast<int64_t>(levels.size()) - 1;
  count = std::clamp<int64_t>(count, 0, all);
  Plan plan{.convention = convention, .steps = {}, .noised_at = {}};
  const size_t first = static_cast<size_t>(all - count);
  for (int64_t i = 0; i < count; ++i) {
    const size_t at = first + static_cast<size_t>(i);
    plan.steps.push_back({.index = i, .count = count, .at = levels[at], .next = levels[at + 1]});
  }
  if (convention != Convention::compvis) {
    plan.noised_at = levels[first];
  } else if (first > 0) {
    plan.noised_at = levels[first - 1];
  }
  return plan;
}

Tensor sample(Sampler& sampler, const Plan& plan, const Denoiser& denoiser, const Tensor& start, NoiseSource& noise,
              const SampleOptions& options) {
  if (plan.steps.empty()) return start;
  std::optional<Tensor> denoised;
  const auto stop_if_cancelled = [&] {
    if (options.cancel.cancelled()) throw Error(ErrorCode::cancelled, "the job was cancelled");
  };
  const Denoiser denoise = denoiser.watched(stop_if_cancelled, [&](const Tensor& x0) { denoised = x0; });
  Tensor latent = start;
  for (const Step& step : sampler.steps(plan.steps, denoiser.schedule())) {
    const Tensor x = latent * scale_of(plan.convention, step.at);
    latent = sampler.step(denoise, noise, x, step) / scale_of(plan.convention, step.next);
    if (options.on_step) options.on_step({.step = step.index + 1, .total = step.count, .denoised = *denoised});
  }
  return latent;
}

}  // namespace easel
