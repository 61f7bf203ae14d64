#include <algorithm>
#include <cmath>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/samplers.h"

namespace easel {

Tensor LcmSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const Tensor x0 = denoise(x, s.at);
  if (s.next.sigma == 0.0) return x0;
  return x0 + noise.draw_between(x, s.at.sigma, s.next.sigma) * s.next.sigma;
}

// Zheng et al. 2024, algorithm 4: down to timestep (1 - eta) t_next without noise, then up to t_next with noise.
Tensor TcdSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const Tensor x0 = denoise(x, s.at);
  const Tensor epsilon = (x - x0) / s.at.sigma;
  const double timestep = std::floor((1.0 - eta_) * s.next.timestep);
  const double down = std::min(denoise.schedule().level_at_timestep(timestep).sigma, s.next.sigma);
  const Tensor x_down = x0 + epsilon * down;
  if (eta_ == 0.0 || s.index + 1 == s.count) return x_down;
  const double up = std::sqrt(s.next.sigma * s.next.sigma - down * down);
  return x_down + noise.draw_between(x, s.at.sigma, s.next.sigma) * up;
}

}  // namespace easel
