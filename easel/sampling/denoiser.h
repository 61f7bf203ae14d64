// Denoiser: a network of any parameterisation, seen as "what is the clean image behind x".
#pragma once

#include <functional>
#include <optional>

#include "easel/sampling/noise_schedule.h"
#include "easel/tensor/tensor.h"

namespace easel {

// The guided network. x [n, h, w, c] with variance 1, i.e. sqrt(alpha_cumprod) x0 + sqrt(1 - alpha_cumprod) epsilon
// -> prediction [n, h, w, c]
using Network = std::function<Tensor(const Tensor& x, const Level& level)>;

// What a network predicts: the noise, v of Salimans & Ho 2022, or the clean image.
enum class Prediction { epsilon, v, denoised };

// All x here are in sigma space: x = x0 + sigma epsilon.
class Denoiser {
 public:
  Denoiser(Network network, Prediction prediction, NoiseSchedule schedule = NoiseSchedule())
      : network_(std::move(network)), prediction_(prediction), schedule_(std::move(schedule)) {}

  // x [n, h, w, c] -> the clean image behind it [n, h, w, c]
  Tensor operator()(const Tensor& x, const Level& level) const { return denoised(x, output(x, level), level.sigma); }
  Tensor operator()(const Tensor& x, double sigma) const { return (*this)(x, schedule_.level_at_sigma(sigma)); }

  // The two halves of it, for a solver that combines network outputs before it reads them.
  Tensor output(const Tensor& x, const Level& level) const;
  Tensor denoised(const Tensor& x, const Tensor& output, double sigma) const;

  const NoiseSchedule& schedule() const { return schedule_; }

  // Values of the clean image are clamped to [-range, range].
  Denoiser clipped(float range) const;
  // A copy that calls `before` ahead of each network call and shows each clean image to `after`.
  Denoiser watched(std::function<void()> before, std::function<void(const Tensor&)> after) const;

 private:
  Network network_;
  Prediction prediction_;
  NoiseSchedule schedule_;
  std::optional<float> clip_range_;
  std::function<void()> before_;
  std::function<void(const Tensor&)> after_;
};

// Classifier-free guidance: Ho & Salimans 2022. `network` gets x twice, [x, x], and knows its conditioning as
// [unconditional, conditional]; the result is unconditional + scale * (conditional - unconditional).
// At scale 1 the unconditional half drops out: `network` gets x once and must hold the conditional half alone.
Network guided(Network network, double scale);
inline bool needs_unconditional(double scale) { return scale != 1.0; }

}  // namespace easel
