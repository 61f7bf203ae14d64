// Schedules: which noise levels a run of so many steps visits, by the names people know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "easel/sampling/noise_schedule.h"

namespace easel {

// From noisy to clean: step i goes from levels[i] to levels[i + 1]; one level more than there are steps.
using Levels = std::vector<Level>;

struct Schedule {
  std::string name;
  std::vector<std::string> aliases;
  std::string description;
  Levels (*levels)(const NoiseSchedule& trained, int64_t steps);
};

const std::vector<Schedule>& schedules();

// By name or alias, ignoring case, spaces, `-` and `_`. Throws Error invalid_request that suggests the nearest name.
const Schedule& find_schedule(std::string_view name);

// The levels of a schedule. Throws Error invalid_request if steps is not in [1, 1000].
Levels make_levels(const Schedule& schedule, const NoiseSchedule& trained, int64_t steps);

// Karras et al. 2022, eq. 5, then 0.
std::vector<double> karras_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho = 7.0);
// Equal steps of (log sigma)^(1 / rho), then 0; rho 1 is the exponential schedule.
std::vector<double> polyexponential_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho = 1.0);
// The variance preserving SDE of Song et al. 2021, then 0.
std::vector<double> vp_sigmas(int64_t steps, double beta_d = 19.9, double beta_min = 0.1, double epsilon_s = 1e-3);

}  // namespace easel
