// The noise levels a model was trained on: betas, cumulated alphas, and sigma <-> timestep between them.
//
// x = sqrt(alpha_cumprod) x0 + sqrt(1 - alpha_cumprod) epsilon, or divided by sqrt(alpha_cumprod): x = x0 + sigma
// epsilon. Samplers work on the second form, "sigma space"; all formulas are evaluated in double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace easel {

// A noise level as sampler and network see it.
struct Level {
  double sigma;     // noise std where the image has factor 1
  double timestep;  // what the network is told, 0..999, may be fractional
};

struct NoiseScheduleOptions {
  double beta_start = 0.00085;  // betas = linspace(sqrt(start), sqrt(end), 1000)^2
  double beta_end = 0.012;
  bool zero_terminal_snr = false;  // rescale so that the last level is nothing but noise: Lin et al. 2023, algorithm 1
  // Stands for the alpha_cumprod of 0 that the rescaling leaves, whose sigma is infinite. 2^-24 is customary.
  double terminal_alpha_cumprod = 0x1p-24;
};

class NoiseSchedule {
 public:
  static constexpr int64_t kTimesteps = 1000;

  explicit NoiseSchedule(const NoiseScheduleOptions& options = {});

  double alpha_cumprod(int64_t timestep) const { return alphas_cumprod_[static_cast<size_t>(timestep)]; }
  double sigma(int64_t timestep) const;
  double sigma_min() const { return sigma(0); }
  double sigma_max() const { return sigma(kTimesteps - 1); }

  Level level(int64_t timestep) const { return {sigma(timestep), static_cast<double>(timestep)}; }
  // Between trained timesteps log sigma is linear in the timestep (k-diffusion).
  Level level_at_sigma(double sigma) const;        // the timestep is clamped to [0, 999]
  Level level_at_timestep(double timestep) const;  // timestep in [0, 999]
  // Between trained timesteps log alpha_cumprod is linear in the timestep (DPM-Solver).
  Level level_at_time_linear_in_log_alpha(double timestep) const;
  Level level_at_log_snr_half(double lambda) const;  // its inverse; lambda = log(alpha / sigma) of Lu et al. 2022

 private:
  std::vector<double> alphas_cumprod_;
  std::vector<double> log_sigmas_;
};

}  // namespace easel
