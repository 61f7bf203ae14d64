#include <algorithm>
#include <cmath>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/dpm_solvers.h"

namespace easel {
namespace {

// x_next = x_factor x + f0 m + f1 D1 + f2 D2 + noise_std noise, where D1 and D2 are the finite differences of the model
// output m over lambda, in units of h. The factors are exact integrals: Lu et al. 2022b, eq. 3.3 and appendix B.
struct Factors {
  double x, f0, f1, f2, noise_std;
};

Factors x0_factors(const DpmMultistepOptions& options, double sigma, double sigma_next, bool midpoint) {
  const double h = std::log(sigma / sigma_next);
  const double g = (1.0 + options.eta) * h;
  const double phi1 = -std::expm1(-g);
  return {.x = std::exp(-g),
          .f0 = phi1,
          .f1 = midpoint ? 0.5 * phi1 : 1.0 - phi1 / g,
          .f2 = 0.5 - (g - phi1) / (g * g),
          .noise_std = sigma_next * std::sqrt(-std::expm1(-2.0 * options.eta * h))};
}

// eta is 0 or 1.
Factors noise_factors(const DpmMultistepOptions& options, double sigma, double sigma_next, bool midpoint) {
  const double h = std::log(sigma / sigma_next);
  const double scale = -(1.0 + options.eta) * sigma_next;
  const double phi1 = std::expm1(h);
  return {.x = 1.0,
          .f0 = scale * phi1,
          .f1 = scale * (midpoint ? 0.5 * phi1 : phi1 / h - 1.0),
          .f2 = scale * ((phi1 - h) / (h * h) - 0.5),
          .noise_std = options.eta * sigma_next * std::sqrt(std::expm1(2.0 * h))};
}

}  // namespace

int DpmMultistepSampler::order_of(const Step& s) const {
  const int64_t left = s.count - s.index;  // this step included
  if (options_.euler_at_final && left == 1) return 1;
  int64_t order = std::min<int64_t>(options_.order, static_cast<int64_t>(history_.size()));
  if (options_.lower_order_final && s.count < 15) order = std::min(order, left);
  return static_cast<int>(order);
}

Tensor DpmMultistepSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  if (s.index == 0) history_.clear();
  const Tensor x0 = denoise(x, s.at);
  if (s.next.sigma == 0.0) return x0;
  const Tensor model = options_.predict_noise ? (x - x0) / s.at.sigma : x0;
  history_.push_front({model, -std::log(s.at.sigma)});
  if (history_.size() > 3) history_.pop_back();

  const int order = order_of(s);
  const bool midpoint = order == 2 && options_.correction == DpmMultistepOptions::Correction::midpoint;
  const Factors f = options_.predict_noise ? noise_factors(options_, s.at.sigma, s.next.sigma, midpoint)
                                           : x0_factors(options_, s.at.sigma, s.next.sigma, midpoint);
  Tensor next = x * f.x + model * f.f0;
  const double h = std::log(s.at.sigma / s.next.sigma);
  if (order >= 2) {
    const double r0 = (history_[0].lambda - history_[1].lambda) / h;
    const Tensor d10 = (history_[0].model - history_[1].model) / r0;
    if (order == 2) {
      next = next + d10 * f.f1;
    } else {
      const double r1 = (history_[1].lambda - history_[2].lambda) / h;
      const Tensor d11 = (history_[1].model - history_[2].model) / r1;
      const Tensor d2 = (d10 - d11) / (r0 + r1);
      next = next + (d10 + d2 * r0) * f.f1 + d2 * f.f2;
    }
  }
  if (options_.eta == 0.0) return next;
  return next + noise.draw_between(x, s.at.sigma, s.next.sigma) * (options_.s_noise * f.noise_std);
}

}  // namespace easel
