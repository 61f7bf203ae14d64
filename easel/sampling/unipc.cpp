#include <algorithm>
#include <cmath>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/dpm_solvers.h"

namespace easel {
namespace {

using Matrix = std::array<std::array<double, 3>, 3>;
using Vector = std::array<double, 3>;

// a x = b for the leading n x n part, by elimination; the matrices here are Vandermonde with distinct nodes.
Vector solve(Matrix a, Vector b, size_t n) {
  for (size_t column = 0; column < n; ++column) {
    for (size_t row = column + 1; row < n; ++row) {
      const double factor = a[row][column] / a[column][column];
      for (size_t k = column; k < n; ++k) a[row][k] -= factor * a[column][k];
      b[row] -= factor * b[column];
    }
  }
  Vector x{};
  for (size_t row = n; row-- > 0;) {
    double sum = b[row];
    for (size_t k = row + 1; k < n; ++k) sum -= a[row][k] * x[k];
    x[row] = sum / a[row][row];
  }
  return x;
}

// The weights of the differences: Zhao et al. 2023, eq. 5, for the leading n of the nodes r.
Vector weights(const Vector& r, size_t n, double h, double scale) {
  Matrix powers{};
  Vector b{};
  double phi = std::expm1(h) / h - 1.0;
  double factorial = 1.0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < n; ++k) powers[i][k] = std::pow(r[k], static_cast<double>(i));
    b[i] = phi * factorial / scale;
    factorial *= static_cast<double>(i + 2);
    phi = phi / h - 1.0 / factorial;
  }
  return solve(powers, b, n);
}

}  // namespace

// One step from x at sigma of the model history_[0]; with the model at its end it is the corrector.
Tensor UniPcSampler::update(const Tensor& x, double sigma, double sigma_next, int order,
                            const Tensor* model_next) const {
  const double h = options_.predict_noise ? std::log(sigma / sigma_next) : std::log(sigma_next / sigma);
  const double phi1 = std::expm1(h);
  const double size = options_.predict_noise ? sigma_next : 1.0;
  const Tensor& model = history_[0].model;
  const Tensor first = x * (options_.predict_noise ? 1.0 : sigma_next / sigma) - model * (size * phi1);
  if (order == 1 && model_next == nullptr) return first;

  const double scale = options_.scale == UniPcOptions::Scale::bh1 ? h : phi1;
  const double lambda_step = std::abs(h);
  const auto differences = static_cast<size_t>(order - 1);
  Vector r{};
  for (size_t i = 0; i < differences; ++i) r[i] = (history_[i + 1].lambda - history_[0].lambda) / lambda_step;
  r[differences] = 1.0;
  const size_t unknowns = differences + (model_next != nullptr ? 1 : 0);
  // With a single unknown the paper takes 1/2, which keeps the order.
  const Vector rho = unknowns == 1 ? Vector{0.5} : weights(r, unknowns, h, scale);
  Tensor next = first;
  for (size_t i = 0; i < differences; ++i) {
    next = next - (history_[i + 1].model - model) * (size * scale * rho[i] / r[i]);
  }
  if (model_next != nullptr) next = next - (*model_next - model) * (size * scale * rho[differences]);
  return next;
}

Tensor UniPcSampler::step(const Denoiser& denoise, NoiseSource& /*noise*/, const Tensor& x, const Step& s) {
  if (s.index == 0) history_.clear();
  const Tensor x0 = denoise(x, s.at);
  const Tensor model = options_.predict_noise ? (x - x0) / s.at.sigma : x0;
  const bool corrected = s.index > 0 && std::ranges::count(options_.uncorrected_steps, s.index - 1) == 0;
  const Tensor x_corrected = corrected ? update(*last_x_, last_sigma_, s.at.sigma, last_order_, &model) : x;

  history_.push_front({model, -std::log(s.at.sigma)});
  if (history_.size() > 3) history_.pop_back();
  int64_t order = std::min<int64_t>(options_.order, static_cast<int64_t>(history_.size()));
  if (options_.lower_order_final) order = std::min(order, s.count - s.index);
  if (s.next.sigma == 0.0) return x0;
  last_x_ = x_corrected;
  last_sigma_ = s.at.sigma;
  last_order_ = static_cast<int>(order);
  return update(x_corrected, s.at.sigma, s.next.sigma, last_order_, nullptr);
}

}  // namespace easel
