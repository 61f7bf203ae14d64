#include "easel/sampling/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

constexpr int64_t kTimesteps = NoiseSchedule::kTimesteps;
constexpr Level kClean{.sigma = 0.0, .timestep = 0.0};

// `count` values from first to last, both included; a single value is the first.
std::vector<double> linspace(double first, double last, int64_t count) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    const double t_unit = count == 1 ? 0.0 : static_cast<double>(i) / static_cast<double>(count - 1);
    values.push_back(std::lerp(first, last, t_unit));
  }
  return values;
}

Levels at_sigmas(const NoiseSchedule& trained, std::span<const double> sigmas) {
  Levels levels;
  for (const double sigma : sigmas) levels.push_back(sigma == 0.0 ? kClean : trained.level_at_sigma(sigma));
  return levels;
}

Levels at_timesteps(const NoiseSchedule& trained, std::span<const double> timesteps) {
  Levels levels;
  for (const double timestep : timesteps) levels.push_back(trained.level_at_timestep(timestep));
  levels.push_back(kClean);
  return levels;
}

// make_ddim_timesteps of CompVis: range(0, 1000, 1000 // steps) + 1, often more entries than asked for. Where that runs
// to the impossible timestep 1000 the reference fails; there, `steps` timesteps from 1 to 999 are spaced evenly.
std::vector<int64_t> compvis_timesteps(int64_t steps) {
  std::vector<int64_t> timesteps;
  for (int64_t t = 1; t <= kTimesteps; t += kTimesteps / steps) timesteps.push_back(t);
  if (timesteps.back() < kTimesteps) return timesteps;
  timesteps.clear();
  for (const double t : linspace(1.0, kTimesteps - 1.0, std::min(steps, kTimesteps - 1))) {
    timesteps.push_back(std::lround(t));
  }
  return timesteps;
}

// Ends at the level of timestep 0, not at 0: CompVis' alphas_prev[0] is alphas_cumprod[0].
Levels compvis_levels(const NoiseSchedule& trained, int64_t steps) {
  const std::vector<int64_t> timesteps = compvis_timesteps(steps);
  Levels levels;
  for (auto t = timesteps.rbegin(); t != timesteps.rend(); ++t) levels.push_back(trained.level(*t));
  levels.push_back({.sigma = trained.sigma_min(), .timestep = static_cast<double>(timesteps.front())});
  return levels;
}

Levels discrete_levels(const NoiseSchedule& trained, int64_t steps) {
  return at_timesteps(trained, linspace(kTimesteps - 1.0, 0.0, steps));
}

Levels sgm_uniform_levels(const NoiseSchedule& trained, int64_t steps) {
  std::vector<double> timesteps = linspace(kTimesteps - 1.0, 0.0, steps + 1);
  timesteps.pop_back();
  return at_timesteps(trained, timesteps);
}

// linspace(0, 999, steps + 1) without the 0, rounded half to even as numpy does.
Levels linspace_levels(const NoiseSchedule& trained, int64_t steps) {
  std::vector<double> timesteps = linspace(kTimesteps - 1.0, 0.0, steps + 1);
  timesteps.pop_back();
  for (double& t : timesteps) t = std::nearbyint(t);
  return at_timesteps(trained, timesteps);
}

// Lin et al. 2023, table 2: the last timestep is always visited, as a zero terminal SNR needs.
Levels trailing_levels(const NoiseSchedule& trained, int64_t steps) {
  std::vector<double> timesteps;
  const double stride = static_cast<double>(kTimesteps) / static_cast<double>(steps);
  for (int64_t i = 0; i < steps; ++i) {
    timesteps.push_back(std::nearbyint(kTimesteps - static_cast<double>(i) * stride) - 1.0);
  }
  return at_timesteps(trained, timesteps);
}

// The 50 timesteps 999, 979, ... that consistency models were distilled on, thinned out.
std::vector<double> consistency_timesteps(int64_t steps) {
  constexpr int64_t kDistilled = 50;
  constexpr int64_t kSpacing = kTimesteps / kDistilled;
  std::vector<double> timesteps;
  for (int64_t i = 0; i < std::min(steps, kDistilled); ++i) {
    const int64_t index = i * kDistilled / std::min(steps, kDistilled);
    timesteps.push_back(kTimesteps - 1.0 - static_cast<double>(index * kSpacing));
  }
  return timesteps;
}

Levels lcm_levels(const NoiseSchedule& trained, int64_t steps) {
  return at_timesteps(trained, consistency_timesteps(steps));
}

Levels tcd_levels(const NoiseSchedule& trained, int64_t steps) {
  Levels levels = lcm_levels(trained, steps);
  levels.back() = trained.level(0);
  return levels;
}

Levels simple_levels(const NoiseSchedule& trained, int64_t steps) {
  const double stride = static_cast<double>(kTimesteps) / static_cast<double>(steps);
  std::vector<double> timesteps;
  for (int64_t i = 0; i < steps; ++i)
    timesteps.push_back(kTimesteps - 1.0 - std::floor(static_cast<double>(i) * stride));
  return at_timesteps(trained, timesteps);
}

// May have more than `steps` steps, as in the reference.
Levels ddim_uniform_levels(const NoiseSchedule& trained, int64_t steps) {
  std::vector<double> timesteps;
  for (int64_t t = 1; t < kTimesteps; t += kTimesteps / steps) timesteps.push_back(static_cast<double>(t));
  std::ranges::reverse(timesteps);
  return at_timesteps(trained, timesteps);
}

Levels karras_levels(const NoiseSchedule& trained, int64_t steps) {
  return at_sigmas(trained, karras_sigmas(steps, trained.sigma_min(), trained.sigma_max()));
}

Levels exponential_levels(const NoiseSchedule& trained, int64_t steps) {
  return at_sigmas(trained, polyexponential_sigmas(steps, trained.sigma_min(), trained.sigma_max()));
}

Levels polyexponential_levels(const NoiseSchedule& trained, int64_t steps) {
  return at_sigmas(trained, polyexponential_sigmas(steps, trained.sigma_min(), trained.sigma_max(), 2.0));
}

Levels vp_levels(const NoiseSchedule& trained, int64_t steps) { return at_sigmas(trained, vp_sigmas(steps)); }

// The regularised incomplete beta function I_x(a, a) by its continued fraction (DLMF 8.17.22), for x <= 1/2.
double symmetric_incomplete_beta(double x, double a) {
  double fraction = 0.0;
  for (int m = 200; m >= 1; --m) {
    const int pair = m / 2;
    const double k = pair;
    const double d = m % 2 == 0 ? k * (a - k) * x / ((a + m - 1.0) * (a + m))
                                : -(a + k) * (2.0 * a + k) * x / ((a + m - 1.0) * (a + m));
    fraction = d / (1.0 + fraction);
  }
  const double log_beta = 2.0 * std::lgamma(a) - std::lgamma(2.0 * a);
  return std::exp(a * std::log(x) + a * std::log1p(-x) - log_beta) / a / (1.0 + fraction);
}

// x with I_x(a, a) = probability, by bisection.
double symmetric_beta_quantile(double probability, double a) {
  if (probability > 0.5) return 1.0 - symmetric_beta_quantile(1.0 - probability, a);
  if (probability <= 0.0) return 0.0;
  double low = 0.0, high = 0.5;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (symmetric_incomplete_beta(middle, a) < probability ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// Lee et al. 2024, "Beta sampling is all you need", with both shapes 0.6.
Levels beta_levels(const NoiseSchedule& trained, int64_t steps) {
  std::vector<double> sigmas;
  for (const double probability : linspace(1.0, 0.0, steps)) {
    sigmas.push_back(std::lerp(trained.sigma_min(), trained.sigma_max(), symmetric_beta_quantile(probability, 0.6)));
  }
  sigmas.push_back(0.0);
  return at_sigmas(trained, sigmas);
}

// Sabour et al. 2024, "Align your steps": the published noise levels for 10 steps, interpolated log-linearly.
using AlignedSigmas = std::array<double, 11>;
constexpr AlignedSigmas kAlignedSd15{14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029};
constexpr AlignedSigmas kAlignedSdxl{14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029};

Levels aligned_levels(const NoiseSchedule& trained, int64_t steps, const AlignedSigmas& table) {
  std::vector<double> sigmas;
  for (const double position : linspace(0.0, table.size() - 1.0, steps)) {
    const auto low = std::min(static_cast<size_t>(position), table.size() - 2);
    const double weight = position - static_cast<double>(low);
    sigmas.push_back(std::exp(std::lerp(std::log(table[low]), std::log(table[low + 1]), weight)));
  }
  sigmas.push_back(0.0);
  return at_sigmas(trained, sigmas);
}

Levels align_your_steps_levels(const NoiseSchedule& trained, int64_t steps) {
  return aligned_levels(trained, steps, kAlignedSd15);
}

Levels align_your_steps_sdxl_levels(const NoiseSchedule& trained, int64_t steps) {
  return aligned_levels(trained, steps, kAlignedSdxl);
}

// Ends at sigma_min; no 0 follows.
Levels kl_optimal_levels(const NoiseSchedule& trained, int64_t steps) {
  std::vector<double> sigmas;
  for (const double angle : linspace(std::atan(trained.sigma_max()), std::atan(trained.sigma_min()), steps + 1)) {
    sigmas.push_back(std::tan(angle));
  }
  return at_sigmas(trained, sigmas);
}

// DPM-Solver's continuous time t = 1 ... 1/1000 in equal steps; the network's timestep is 1000 t - 1.
Levels time_uniform_levels(const NoiseSchedule& trained, int64_t steps) {
  Levels levels;
  for (const double timestep : linspace(kTimesteps - 1.0, 0.0, steps + 1)) {
    levels.push_back(trained.level_at_time_linear_in_log_alpha(timestep));
  }
  return levels;
}

// The same range in equal steps of log(alpha / sigma).
Levels log_snr_levels(const NoiseSchedule& trained, int64_t steps) {
  Levels levels;
  for (const double lambda : linspace(-std::log(trained.sigma_max()), -std::log(trained.sigma_min()), steps + 1)) {
    levels.push_back(trained.level_at_log_snr_half(lambda));
  }
  return levels;
}

std::string key_of(std::string_view name) {
  std::string key = lower_ascii(name);
  std::erase_if(key, [](char c) { return c == ' ' || c == '-' || c == '_'; });
  return key;
}

}  // namespace

std::vector<double> karras_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho) {
  std::vector<double> sigmas = linspace(std::pow(sigma_max, 1.0 / rho), std::pow(sigma_min, 1.0 / rho), steps);
  for (double& sigma : sigmas) sigma = std::pow(sigma, rho);
  sigmas.push_back(0.0);
  return sigmas;
}

std::vector<double> polyexponential_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho) {
  std::vector<double> sigmas = linspace(1.0, 0.0, steps);
  for (double& sigma : sigmas) {
    sigma = std::exp(std::lerp(std::log(sigma_min), std::log(sigma_max), std::pow(sigma, rho)));
  }
  sigmas.push_back(0.0);
  return sigmas;
}

std::vector<double> vp_sigmas(int64_t steps, double beta_d, double beta_min, double epsilon_s) {
  std::vector<double> sigmas = linspace(1.0, epsilon_s, steps);
  for (double& sigma : sigmas) sigma = std::sqrt(std::expm1(beta_d * sigma * sigma / 2.0 + beta_min * sigma));
  sigmas.push_back(0.0);
  return sigmas;
}

const std::vector<Schedule>& schedules() {
  static const std::vector<Schedule> all{
      {"ddim",
       {"leading"},
       "evenly spaced trained timesteps, as the CompVis scripts for DDIM and PLMS",
       compvis_levels},
      {"discrete", {"normal"}, "evenly spaced timesteps between 999 and 0 (k-diffusion)", discrete_levels},
      {"karras", {}, "more steps at low noise; Karras et al. 2022", karras_levels},
      {"exponential", {}, "equal steps of log sigma", exponential_levels},
      {"polyexponential", {}, "steps of log sigma that shorten toward high noise (rho 2)", polyexponential_levels},
      {"vp", {}, "the variance preserving SDE; starts far above the trained noise", vp_levels},
      {"sgm_uniform", {"sgm"}, "as discrete, but the last step goes from a higher level to 0", sgm_uniform_levels},
      {"simple", {}, "every n-th trained level", simple_levels},
      {"ddim_uniform", {}, "the ddim timesteps, ending at 0", ddim_uniform_levels},
      {"linspace", {}, "as sgm_uniform with whole timesteps (diffusers' DPM++ and UniPC)", linspace_levels},
      {"trailing", {}, "whole timesteps that begin at 999; for models with zero terminal SNR", trailing_levels},
      {"lcm", {}, "the timesteps consistency models were distilled on, at most 50", lcm_levels},
      {"tcd", {}, "as lcm, ending at the lowest trained level", tcd_levels},
      {"beta", {}, "more steps at both ends; Lee et al. 2024", beta_levels},
      {"align_your_steps",
       {"ays", "align_your_steps_sd15"},
       "levels tuned for Stable Diffusion 1.5 at 10 steps; Sabour et al. 2024",
       align_your_steps_levels},
      {"align_your_steps_sdxl", {"ays_sdxl"}, "the levels tuned for SDXL", align_your_steps_sdxl_levels},
      {"kl_optimal", {}, "equal steps of arctan sigma, ending at the lowest trained level", kl_optimal_levels},
      {"time_uniform", {}, "fractional timesteps 999 to 0 (CompVis DPM-Solver)", time_uniform_levels},
      {"log_snr", {"logsnr"}, "equal steps of log(alpha / sigma) (CompVis DPM-Solver)", log_snr_levels},
  };
  return all;
}

const Schedule& find_schedule(std::string_view name) {
  std::vector<std::string> names;
  for (const Schedule& schedule : schedules()) {
    names.push_back(schedule.name);
    names.insert(names.end(), schedule.aliases.begin(), schedule.aliases.end());
    const auto matches = [key = key_of(name)](const std::string& other) { return key_of(other) == key; };
    if (matches(schedule.name) || std::ranges::any_of(schedule.aliases, matches)) return schedule;
  }
  if (const auto nearest = nearest_name(name, names)) {
    throw Error(ErrorCode::invalid_request, "unknown schedule '{}'; did you mean '{}'?", name, *nearest);
  }
  throw Error(ErrorCode::invalid_request, "unknown schedule '{}'; known are {}", name, join_shortened(names, 40));
}

Levels make_levels(const Schedule& schedule, const NoiseSchedule& trained, int64_t steps) {
  if (steps < 1 || steps > kTimesteps) {
    throw Error(ErrorCode::invalid_request, "{} steps are not possible; choose 1 to {}", steps, kTimesteps);
  }
  Levels levels = schedule.levels(trained, steps);
  // Rounding to whole timesteps can name one twice when there are almost as many steps as timesteps.
  const auto same = [](const Level& a, const Level& b) { return a.sigma == b.sigma; };
  levels.erase(std::unique(levels.begin(), levels.end(), same), levels.end());
  return levels;
}

}  // namespace easel
