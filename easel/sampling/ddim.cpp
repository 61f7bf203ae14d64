#include <algorithm>
#include <cmath>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/samplers.h"

namespace easel {

AncestralStep ancestral_step(double sigma, double sigma_next, double eta) {
  const double ratio = sigma_next / sigma;
  const double up = std::min(sigma_next, eta * sigma_next * std::sqrt(std::max(0.0, 1.0 - ratio * ratio)));
  return {std::sqrt(sigma_next * sigma_next - up * up), up};
}

Tensor DdimSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const Tensor x0 = denoise(x, s.at);
  const Tensor epsilon = (x - x0) / s.at.sigma;
  const auto [down, up] = ancestral_step(s.at.sigma, s.next.sigma, eta_);
  return x0 + epsilon * down + noise.draw_between(x, s.at.sigma, s.next.sigma) * up;
}

}  // namespace easel
