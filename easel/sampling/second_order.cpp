#include <cmath>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/churn.h"
#include "easel/sampling/samplers.h"

namespace easel {
namespace {

// The exact solution for a constant x0: x shrinks toward it with sigma.
Tensor toward(const Tensor& x0, const Tensor& x, double sigma_ratio) { return x0 + (x - x0) * sigma_ratio; }

Tensor blend(const Tensor& a, const Tensor& b, double weight_of_b) { return a + (b - a) * weight_of_b; }

}  // namespace

Tensor HeunSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const auto [x_hat, hat] = churned(denoise, noise, x, s, churn_);
  const double dsigma = s.next.sigma - hat.sigma;  // negative: noise shrinks
  const Tensor slope = slope_at(denoise, x_hat, hat);
  const Tensor euler = x_hat + slope * dsigma;
  if (s.next.sigma == 0.0) return euler;  // the slope is undefined at sigma 0
  return x_hat + (slope + slope_at(denoise, euler, s.next)) * (0.5 * dsigma);
}

Tensor Dpm2Sampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const auto [x_hat, hat] = churned(denoise, noise, x, s, churn_);
  const Tensor slope = slope_at(denoise, x_hat, hat);
  if (s.next.sigma == 0.0) return x_hat + slope * (s.next.sigma - hat.sigma);
  const Level middle = denoise.schedule().level_at_sigma(log_midpoint(hat.sigma, s.next.sigma));
  const Tensor x_middle = x_hat + slope * (middle.sigma - hat.sigma);
  return x_hat + slope_at(denoise, x_middle, middle) * (s.next.sigma - hat.sigma);
}

Tensor Dpm2AncestralSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const auto [down, up] = ancestral_step(s.at.sigma, s.next.sigma, eta_);
  const Tensor slope = slope_at(denoise, x, s.at);
  if (down == 0.0) return x + slope * (down - s.at.sigma);
  const Level middle = denoise.schedule().level_at_sigma(log_midpoint(s.at.sigma, down));
  const Tensor x_middle = x + slope * (middle.sigma - s.at.sigma);
  const Tensor x_down = x + slope_at(denoise, x_middle, middle) * (down - s.at.sigma);
  return x_down + noise.draw_between(x, s.at.sigma, s.next.sigma) * (s_noise_ * up);
}

Tensor Dpmpp2sAncestralSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const auto [down, up] = ancestral_step(s.at.sigma, s.next.sigma, eta_);
  const Tensor x0 = denoise(x, s.at);
  if (s.next.sigma == 0.0) return x0;
  const double middle = log_midpoint(s.at.sigma, down);
  const Tensor x0_middle = denoise(toward(x0, x, middle / s.at.sigma), middle);
  return toward(x0_middle, x, down / s.at.sigma) + noise.draw_between(x, s.at.sigma, s.next.sigma) * (s_noise_ * up);
}

Tensor DpmppSdeSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const Tensor x0 = denoise(x, s.at);
  if (s.next.sigma == 0.0) return x0;
  const double middle = s.at.sigma * std::pow(s.next.sigma / s.at.sigma, r_);
  const auto to_middle = ancestral_step(s.at.sigma, middle, eta_);
  const Tensor x_middle = toward(x0, x, to_middle.down / s.at.sigma) +
                          noise.draw_between(x, s.at.sigma, middle) * (s_noise_ * to_middle.up);
  const Tensor x0_blend = blend(x0, denoise(x_middle, middle), 1.0 / (2.0 * r_));
  const auto to_next = ancestral_step(s.at.sigma, s.next.sigma, eta_);
  return toward(x0_blend, x, to_next.down / s.at.sigma) +
         noise.draw_between(x, s.at.sigma, s.next.sigma) * (s_noise_ * to_next.up);
}

}  // namespace easel
