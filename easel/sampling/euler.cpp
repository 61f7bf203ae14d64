#include <algorithm>
#include <cmath>
#include <numbers>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/churn.h"
#include "easel/sampling/samplers.h"

namespace easel {

Churned churned(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s, const Churn& churn) {
  const Tensor fresh = noise.draw_between(x, s.at.sigma, s.next.sigma);
  const bool in_range = churn.s_tmin <= s.at.sigma && s.at.sigma <= churn.s_tmax;
  const double gamma =
      in_range ? std::min(churn.s_churn / static_cast<double>(s.count), std::numbers::sqrt2 - 1.0) : 0.0;
  if (gamma <= 0.0) return {x, s.at};
  const double sigma_hat = s.at.sigma * (gamma + 1.0);
  const double added = std::sqrt(sigma_hat * sigma_hat - s.at.sigma * s.at.sigma);
  return {x + fresh * (churn.s_noise * added), denoise.schedule().level_at_sigma(sigma_hat)};
}

Tensor slope_at(const Denoiser& denoise, const Tensor& x, const Level& level) {
  return (x - denoise(x, level)) / level.sigma;
}

double log_midpoint(double a, double b) { return std::sqrt(a * b); }

// Karras et al. 2022, algorithm 2 without the correction.
Tensor EulerSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const auto [x_hat, hat] = churned(denoise, noise, x, s, churn_);
  return x_hat + slope_at(denoise, x_hat, hat) * (s.next.sigma - hat.sigma);
}

Tensor EulerAncestralSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const auto [down, up] = ancestral_step(s.at.sigma, s.next.sigma, eta_);
  const Tensor euler = x + slope_at(denoise, x, s.at) * (down - s.at.sigma);
  if (s.next.sigma == 0.0) return euler;
  return euler + noise.draw_between(x, s.at.sigma, s.next.sigma) * (s_noise_ * up);
}

}  // namespace easel
