#include <algorithm>
#include <cmath>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/churn.h"
#include "easel/sampling/dpm_solvers.h"
#include "easel/sampling/samplers.h"

namespace easel {
namespace {

// Where both solvers end; a schedule that holds nothing above its end goes to the lowest trained level.
double lowest_sigma(const std::vector<Step>& scheduled, const NoiseSchedule& trained) {
  const Step& last = scheduled.back();
  const double sigma = last.next.sigma > 0.0 ? last.next.sigma : last.at.sigma;
  return sigma < scheduled.front().at.sigma ? sigma : trained.sigma_min();
}

// As ancestral_step, but never below the end of the run.
AncestralStep ancestral_step_above(double sigma, double sigma_next, double eta, double sigma_min) {
  if (eta == 0.0) return {sigma_next, 0.0};
  const double down = std::max(sigma_min, ancestral_step(sigma, sigma_next, eta).down);
  return {down, std::sqrt(std::max(0.0, sigma_next * sigma_next - down * down))};
}

}  // namespace

SingleStepSolver::SingleStepSolver(const Denoiser& denoise, const Tensor& x, double sigma, double sigma_next)
    : denoise_(denoise),
      x_(x),
      sigma_(sigma),
      sigma_next_(sigma_next),
      h_(std::log(sigma / sigma_next)),
      epsilon_(slope_at(denoise, x, denoise.schedule().level_at_sigma(sigma))) {}

double SingleStepSolver::sigma_after(double fraction) const { return sigma_ * std::exp(-fraction * h_); }

const Tensor& SingleStepSolver::epsilon_after(double r1) {
  if (!epsilon_r1_) {
    const double sigma = sigma_after(r1);
    const Tensor u = x_ - epsilon_ * (sigma * std::expm1(r1 * h_));
    epsilon_r1_ = slope_at(denoise_, u, denoise_.schedule().level_at_sigma(sigma));
  }
  return *epsilon_r1_;
}

Tensor SingleStepSolver::first() const { return x_ - epsilon_ * (sigma_next_ * std::expm1(h_)); }

Tensor SingleStepSolver::second(double r1) {
  return first() - (epsilon_after(r1) - epsilon_) * (sigma_next_ / (2.0 * r1) * std::expm1(h_));
}

Tensor SingleStepSolver::third() {
  constexpr double r1 = 1.0 / 3.0;
  constexpr double r2 = 2.0 / 3.0;
  const double sigma = sigma_after(r2);
  const double phi2_r2 = std::expm1(r2 * h_) / (r2 * h_) - 1.0;
  const Tensor u =
      x_ - epsilon_ * (sigma * std::expm1(r2 * h_)) - (epsilon_after(r1) - epsilon_) * (sigma * (r2 / r1) * phi2_r2);
  const Tensor epsilon_r2 = slope_at(denoise_, u, denoise_.schedule().level_at_sigma(sigma));
  const double phi2 = std::expm1(h_) / h_ - 1.0;
  return first() - (epsilon_r2 - epsilon_) * (sigma_next_ / r2 * phi2);
}

std::vector<Step> DpmFastSampler::steps(const std::vector<Step>& scheduled, const NoiseSchedule& trained) {
  const auto evaluations = static_cast<int64_t>(scheduled.size());
  const double sigma_max = scheduled.front().at.sigma;
  sigma_min_ = lowest_sigma(scheduled, trained);
  const int64_t count = evaluations / 3 + 1;
  orders_.assign(static_cast<size_t>(count), 3);
  orders_.back() = static_cast<int>(evaluations % 3);
  if (evaluations % 3 == 0) {
    orders_[orders_.size() - 2] = 2;
    orders_.back() = 1;
  }
  const auto level = [&](int64_t i) {
    const double t_unit = static_cast<double>(i) / static_cast<double>(count);
    return trained.level_at_sigma(std::exp(std::lerp(std::log(sigma_max), std::log(sigma_min_), t_unit)));
  };
  std::vector<Step> steps;
  for (int64_t i = 0; i < count; ++i)
    steps.push_back({.index = i, .count = count, .at = level(i), .next = level(i + 1)});
  return steps;
}

Tensor DpmFastSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  const auto [down, up] = ancestral_step_above(s.at.sigma, s.next.sigma, eta_, sigma_min_);
  SingleStepSolver solver(denoise, x, s.at.sigma, down);
  const int order = orders_[static_cast<size_t>(s.index)];
  const Tensor next = order == 1 ? solver.first() : order == 2 ? solver.second(0.5) : solver.third();
  return next + noise.draw_between(x, s.at.sigma, s.next.sigma) * (s_noise_ * up);
}

std::vector<Step> DpmAdaptiveSampler::steps(const std::vector<Step>& scheduled, const NoiseSchedule& trained) {
  lambda_end_ = -std::log(lowest_sigma(scheduled, trained));
  return scheduled;
}

Tensor DpmAdaptiveSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  if (s.index == 0) {
    lambda_ = -std::log(s.at.sigma);
    h_ = options_.h_init;
    x_ = x_low_ = x;
    inverse_errors_.clear();
  }
  const bool last = s.index + 1 == s.count;
  const double lambda_next = last || s.next.sigma == 0.0 ? lambda_end_ : -std::log(s.next.sigma);
  while (lambda_ < std::min(lambda_next, lambda_end_) - 1e-5) trial(denoise, noise);
  return *x_;
}

void DpmAdaptiveSampler::trial(const Denoiser& denoise, NoiseSource& noise) {
  const double lambda_next = std::min(lambda_end_, lambda_ + h_);
  const double sigma = std::exp(-lambda_);
  const double sigma_next = std::exp(-lambda_next);
  const auto [down, up] = ancestral_step_above(sigma, sigma_next, options_.eta, std::exp(-lambda_end_));
  SingleStepSolver solver(denoise, *x_, sigma, down);
  const Tensor low = options_.order == 2 ? solver.first() : solver.second(1.0 / 3.0);
  const Tensor high = options_.order == 2 ? solver.second(0.5) : solver.third();

  const std::vector<float> a = low.values(), b = high.values(), previous = x_low_->values();
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double magnitude = std::max(std::abs(a[i]), std::abs(previous[i]));
    const double scaled = (a[i] - b[i]) / std::max(options_.atol, options_.rtol * magnitude);
    sum += scaled * scaled;
  }
  if (!accepts(std::sqrt(sum / static_cast<double>(a.size())))) return;
  x_low_ = low;
  x_ = high + noise.draw_between(*x_, sigma, sigma_next) * (options_.s_noise * up);
  lambda_ = lambda_next;
}

// Söderlind 2003; the limiter is 1 + atan(factor - 1).
bool DpmAdaptiveSampler::accepts(double error) {
  const double order = options_.eta == 0.0 ? options_.order : 1.5;
  const double inverse_error = 1.0 / (error + 1e-8);
  if (inverse_errors_.empty()) inverse_errors_.assign(3, inverse_error);
  inverse_errors_[0] = inverse_error;
  const double raw = std::pow(inverse_errors_[0], (options_.pcoeff + options_.icoeff + options_.dcoeff) / order) *
                     std::pow(inverse_errors_[1], -(options_.pcoeff + 2.0 * options_.dcoeff) / order) *
                     std::pow(inverse_errors_[2], options_.dcoeff / order);
  const double factor = 1.0 + std::atan(raw - 1.0);
  h_ *= factor;
  if (factor < options_.accept_safety) return false;
  inverse_errors_ = {inverse_errors_[0], inverse_errors_[0], inverse_errors_[1]};
  return true;
}

}  // namespace easel
