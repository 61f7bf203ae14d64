// Sampler: one step of a solver; sample(): the loop around it with progress, cancelling, preview and seeded noise.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "easel/base/cancel.h"
#include "easel/sampling/denoiser.h"
#include "easel/sampling/noise.h"
#include "easel/sampling/schedule.h"

namespace easel {

struct Step {
  int64_t index;  // 0-based, this run
  int64_t count;  // steps of this run
  Level at;
  Level next;
};

// Whose start, end and image-to-image conventions a run follows.
enum class Convention {
  compvis,      // latents have variance 1 at the start and the end; an initial latent is noised one level above step 0
  diffusers,    // as compvis, but noised at the level of step 0
  k_diffusion,  // latents are in sigma space; noised at the level of step 0
};

// The steps of one run.
struct Plan {
  Convention convention = Convention::k_diffusion;
  std::vector<Step> steps;
  std::optional<Level> noised_at;  // where an initial latent is noised; nothing: it is replaced by noise

  // The latent to start from. noise [n, h, w, c] -> [n, h, w, c]
  Tensor start(const Tensor& noise) const;
  // latent and noise [n, h, w, c] -> [n, h, w, c]
  Tensor start(const Tensor& latent, const Tensor& noise) const;
};

// All steps, from pure noise.
Plan make_plan(Convention convention, const Levels& levels);
// Image to image: the last `count` steps, int(strength * steps) in the scripts.
Plan make_plan(Convention convention, const Levels& levels, int64_t count);

// Holds the history of one run. x is in sigma space: x = x0 + sigma epsilon.
class Sampler {
 public:
  virtual ~Sampler() = default;

  // The steps it takes for those of a schedule; most take them as they are. Called once, before the first step.
  virtual std::vector<Step> steps(const std::vector<Step>& scheduled, const NoiseSchedule& /*trained*/) {
    return scheduled;
  }

  // x [n, h, w, c] at s.at -> x at s.next
  virtual Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) = 0;
};

struct Progress {
  int64_t step;  // finished steps
  int64_t total;
  const Tensor& denoised;  // the newest estimate of the clean latent [n, h, w, c]
};

struct SampleOptions {
  std::function<void(const Progress&)> on_step;  // after each step; may throw to end the run
  CancelToken cancel;                            // looked at before each network call
};

// start [n, h, w, c], made by plan.start() -> the clean latent [n, h, w, c]. Throws Error cancelled.
Tensor sample(Sampler& sampler, const Plan& plan, const Denoiser& denoiser, const Tensor& start, NoiseSource& noise,
              const SampleOptions& options = {});

}  // namespace easel
