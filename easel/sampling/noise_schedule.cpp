#include "easel/sampling/noise_schedule.h"

#include <algorithm>
#include <cmath>

namespace easel {
namespace {

constexpr int64_t kTimesteps = NoiseSchedule::kTimesteps;

std::vector<double> trained_alphas_cumprod(double beta_start, double beta_end) {
  const double first = std::sqrt(beta_start);
  const double last = std::sqrt(beta_end);
  std::vector<double> alphas_cumprod;
  double product = 1.0;
  for (int64_t t = 0; t < kTimesteps; ++t) {
    const double root = first + (last - first) * static_cast<double>(t) / (kTimesteps - 1);
    product *= 1.0 - root * root;
    alphas_cumprod.push_back(product);
  }
  return alphas_cumprod;
}

// Shifts and scales sqrt(alpha_cumprod) so that the last is 0 and the first stays: Lin et al. 2023, algorithm 1.
void rescale_to_zero_terminal_snr(std::vector<double>& alphas_cumprod, double terminal) {
  const double first = std::sqrt(alphas_cumprod.front());
  const double last = std::sqrt(alphas_cumprod.back());
  for (double& alpha : alphas_cumprod) {
    const double root = (std::sqrt(alpha) - last) * first / (first - last);
    alpha = root * root;
  }
  alphas_cumprod.back() = terminal;
}

}  // namespace

NoiseSchedule::NoiseSchedule(const NoiseScheduleOptions& options)
    : alphas_cumprod_(trained_alphas_cumprod(options.beta_start, options.beta_end)) {
  if (options.zero_terminal_snr) rescale_to_zero_terminal_snr(alphas_cumprod_, options.terminal_alpha_cumprod);
  for (int64_t t = 0; t < kTimesteps; ++t) log_sigmas_.push_back(std::log(sigma(t)));
}

double NoiseSchedule::sigma(int64_t timestep) const {
  const double alpha = alpha_cumprod(timestep);
  return std::sqrt((1.0 - alpha) / alpha);
}

Level NoiseSchedule::level_at_sigma(double sigma) const {
  const double log_sigma = std::log(sigma);
  const auto above = std::upper_bound(log_sigmas_.begin() + 1, log_sigmas_.end() - 1, log_sigma);
  const double low = *(above - 1);
  const double weight = std::clamp((log_sigma - low) / (*above - low), 0.0, 1.0);
  return {sigma, static_cast<double>(above - 1 - log_sigmas_.begin()) + weight};
}

Level NoiseSchedule::level_at_timestep(double timestep) const {
  const auto low = static_cast<size_t>(std::min(std::floor(timestep), kTimesteps - 2.0));
  const double weight = timestep - static_cast<double>(low);
  return {std::exp(std::lerp(log_sigmas_[low], log_sigmas_[low + 1], weight)), timestep};
}

Level NoiseSchedule::level_at_time_linear_in_log_alpha(double timestep) const {
  const auto low = static_cast<size_t>(std::min(std::floor(timestep), kTimesteps - 2.0));
  const double weight = timestep - static_cast<double>(low);
  const double log_alpha = std::lerp(std::log(alphas_cumprod_[low]), std::log(alphas_cumprod_[low + 1]), weight);
  return {std::sqrt(std::expm1(-log_alpha)), timestep};
}

Level NoiseSchedule::level_at_log_snr_half(double lambda) const {
  const double sigma = std::exp(-lambda);
  const double log_alpha = -std::log1p(sigma * sigma);
  const auto falls = [](double alpha, double log_value) { return std::log(alpha) > log_value; };
  const auto after = std::lower_bound(alphas_cumprod_.begin() + 1, alphas_cumprod_.end() - 1, log_alpha, falls);
  const double low = std::log(*(after - 1));
  const double weight = (log_alpha - low) / (std::log(*after) - low);
  return {sigma, static_cast<double>(after - 1 - alphas_cumprod_.begin()) + weight};
}

}  // namespace easel
