#include <algorithm>
#include <cmath>
#include <numbers>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/churn.h"
#include "easel/sampling/samplers.h"

namespace easel {

Tensor LmsSampler::step(const Denoiser& denoise, NoiseSource& /*noise*/, const Tensor& x, const Step& s) {
  if (s.index == 0) history_.clear();
  history_.push_front({slope_at(denoise, x, s.at), s.at.sigma});
  if (history_.size() > static_cast<size_t>(order_)) history_.pop_back();

  // The j-th Lagrange polynomial through the past sigmas.
  const auto basis = [this](size_t j, double sigma) {
    double product = 1.0;
    for (size_t k = 0; k < history_.size(); ++k) {
      if (k != j) product *= (sigma - history_[k].sigma) / (history_[j].sigma - history_[k].sigma);
    }
    return product;
  };
  // Its integral over the step: two Gauss points are exact up to the third degree.
  const double half = 0.5 * (s.next.sigma - s.at.sigma);
  const double middle = 0.5 * (s.next.sigma + s.at.sigma);
  const double offset = half / std::numbers::sqrt3;
  Tensor next = x;
  for (size_t j = 0; j < history_.size(); ++j) {
    next = next + history_[j].slope * (half * (basis(j, middle - offset) + basis(j, middle + offset)));
  }
  return next;
}

}  // namespace easel
