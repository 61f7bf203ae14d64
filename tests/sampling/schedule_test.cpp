// Golden: tests/golden/models/schedule.* (CompVis) and tests/golden/samplers/sigmas.json (k-diffusion, AUTOMATIC1111).
#include "easel/sampling/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "easel/base/error.h"
#include "easel/sampling/samplers.h"
#include "tests/sampling/golden_data.h"

namespace easel {
namespace {

using testing::golden_cases;
using testing::golden_json;
using testing::GoldenTensors;

constexpr double kF32 = 0x1p-23;  // recorded as float32: relative rounding, with one bit of slack

TEST(NoiseSchedule, AlphasMatchBothBetaRanges) {
  const GoldenTensors golden("models/schedule.safetensors");
  const std::pair<std::string, NoiseSchedule> models[] = {
      {"sd", NoiseSchedule()}, {"x4", NoiseSchedule({.beta_start = 0.0001, .beta_end = 0.02})}};
  for (const auto& [name, schedule] : models) {
    const std::vector<double> expected = golden.values(name + ".alphas_cumprod");
    for (int64_t t = 0; t < NoiseSchedule::kTimesteps; ++t) {
      const double value = expected[static_cast<size_t>(t)];
      ASSERT_NEAR(schedule.alpha_cumprod(t), value, kF32 * value) << name << " timestep " << t;
    }
  }
}

TEST(NoiseSchedule, AlphasMatchInDouble) {
  const NoiseSchedule schedule;
  const auto golden = golden_json("samplers/sigmas.json");
  for (const auto& [timestep, alpha] : golden["alphas_cumprod"].items()) {
    EXPECT_NEAR(schedule.alpha_cumprod(std::stoll(timestep)), alpha.get<double>(), 1e-14);
  }
  EXPECT_NEAR(schedule.sigma_min(), golden["sigma_min"].get<double>(), 1e-14);
  EXPECT_NEAR(schedule.sigma_max(), golden["sigma_max"].get<double>(), 1e-12);
}

TEST(NoiseSchedule, SigmaAndTimestepAreInverse) {
  const NoiseSchedule schedule;
  const auto golden = golden_json("samplers/sigmas.json");
  for (const auto& entry : golden["sigma_to_t"]) {
    EXPECT_NEAR(schedule.level_at_sigma(entry["sigma"].get<double>()).timestep, entry["t"].get<double>(), 1e-9);
  }
  for (const auto& entry : golden["t_to_sigma"]) {
    const double sigma = entry["sigma"].get<double>();
    EXPECT_NEAR(schedule.level_at_timestep(entry["t"].get<double>()).sigma, sigma, 1e-12 * sigma);
  }
  for (const double timestep : {0.0, 0.4, 17.0, 500.3, 998.9}) {
    const Level level = schedule.level_at_time_linear_in_log_alpha(timestep);
    EXPECT_NEAR(schedule.level_at_log_snr_half(-std::log(level.sigma)).timestep, timestep, 1e-8);
  }
}

TEST(NoiseSchedule, ZeroTerminalSnrMatchesDiffusers) {
  const NoiseSchedule schedule({.zero_terminal_snr = true});
  for (const auto& entry : golden_cases("samplers/diffusers.json")) {
    if (entry["scheduler"] == "DDIM" || !entry.contains("alphas_cumprod")) continue;
    for (const auto& [timestep, alpha] : entry["alphas_cumprod"].items()) {
      EXPECT_NEAR(schedule.alpha_cumprod(std::stoll(timestep)), alpha.get<double>(), 1e-14);
    }
  }
}

TEST(CompvisSchedule, TablesMatch) {
  const GoldenTensors golden("models/schedule.safetensors");
  const std::pair<std::string, NoiseSchedule> models[] = {
      {"sd", NoiseSchedule()}, {"x4", NoiseSchedule({.beta_start = 0.0001, .beta_end = 0.02})}};
  for (const int64_t steps : {1, 2, 4, 5, 7, 8, 10, 12, 15, 16, 20, 25, 30, 40, 45, 50, 75, 100, 150, 200, 250}) {
    const std::string key = "ddim." + std::to_string(steps);
    const std::vector<double> timesteps = golden.values(key + ".timesteps");
    for (const auto& [name, trained] : models) {
      const Levels levels = make_levels(find_schedule("ddim"), trained, steps);
      ASSERT_EQ(levels.size(), timesteps.size() + 1) << steps;
      const std::vector<double> alphas = golden.values(name + "." + key + ".alphas");
      const std::vector<double> alphas_prev = golden.values(name + "." + key + ".alphas_prev");
      const std::vector<double> sigmas = golden.values(name + "." + key + ".sigmas_eta1");
      for (size_t i = 0; i < timesteps.size(); ++i) {  // the tables ascend, levels descend
        const Level& at = levels[timesteps.size() - 1 - i];
        const Level& next = levels[timesteps.size() - i];
        const double alpha_next = 1.0 / (1.0 + next.sigma * next.sigma);
        EXPECT_EQ(at.timestep, timesteps[i]);
        EXPECT_NEAR(1.0 / (1.0 + at.sigma * at.sigma), alphas[i], kF32 * alphas[i]);
        EXPECT_NEAR(alpha_next, alphas_prev[i], kF32 * alphas_prev[i]);
        const double noise_std = ancestral_step(at.sigma, next.sigma, 1.0).up * std::sqrt(alpha_next);
        EXPECT_NEAR(noise_std, sigmas[i], 2e-6);  // the reference subtracts numbers near 1 in float32
      }
    }
  }
}

TEST(CompvisSchedule, EveryStepCountTheReferenceFailsOnIsSpacedEvenly) {
  const auto golden = golden_json("models/schedule.json");
  for (const auto& [steps, count] : golden["actual_step_count"].items()) {
    EXPECT_EQ(make_levels(find_schedule("ddim"), NoiseSchedule(), std::stoll(steps)).size() - 1,
              std::min<size_t>(count.get<size_t>(), steps == "3"   ? 3
                                                    : steps == "9" ? 9
                                                                   : 1000));
  }
  for (const auto& steps : golden["requested_steps_out_of_range"]) {
    const auto count = steps.get<int64_t>();
    const Levels levels = make_levels(find_schedule("ddim"), NoiseSchedule(), count);
    ASSERT_EQ(levels.size(), static_cast<size_t>(std::min<int64_t>(count, 999) + 1));
    EXPECT_EQ(levels.front().timestep, 999.0);
    EXPECT_EQ(levels[levels.size() - 2].timestep, 1.0);
    for (size_t i = 0; i + 2 < levels.size(); ++i) ASSERT_GT(levels[i].timestep, levels[i + 1].timestep);
  }
}

std::vector<double> sigmas_of(const std::string& name, int64_t steps) {
  if (name == "karras_rho5_0.1_10") return karras_sigmas(steps, 0.1, 10.0, 5.0);
  const NoiseSchedule trained;
  if (name == "polyexponential") return polyexponential_sigmas(steps, trained.sigma_min(), trained.sigma_max(), 1.0);
  const std::string known = name == "polyexponential_rho2" ? "polyexponential" : name;
  std::vector<double> sigmas;
  for (const Level& level : make_levels(find_schedule(known), trained, steps)) sigmas.push_back(level.sigma);
  return sigmas;
}

TEST(Schedule, SigmasMatchInDoubleAndInFloat) {
  for (const auto& entry : golden_cases("samplers/sigmas.json")) {
    const auto name = entry["name"].get<std::string>();
    const auto steps = entry["n"].get<int64_t>();
    const std::vector<double> sigmas = sigmas_of(name, steps);
    const auto f64 = entry["f64"].get<std::vector<double>>();
    const auto f32 = entry["f32"].get<std::vector<double>>();
    ASSERT_EQ(sigmas.size(), f64.size()) << name << " " << steps;
    for (size_t i = 0; i < sigmas.size(); ++i) {
      EXPECT_NEAR(sigmas[i], f64[i], 1e-11 * f64[i]) << name << " " << steps << " [" << i << "]";
      // Powers of 7 and logarithms amplify float32 rounding; at low noise 1 - alpha_cumprod cancels.
      const double cancelled = f32[i] > 0.0 ? 1.0 / f32[i] : 0.0;
      EXPECT_NEAR(sigmas[i], f32[i], kF32 * (64.0 * f32[i] + cancelled)) << name << " " << steps << " [" << i << "]";
    }
  }
}

TEST(Schedule, TimeUniformAndLogSnrMatchTheModelTimesOfDpmSolver) {
  for (const auto& entry : golden_cases("samplers/ldm_dpm_solver.json")) {
    const bool log_snr = entry["params"]["skip_type"] == "logSNR";
    const Levels levels =
        make_levels(find_schedule(log_snr ? "log_snr" : "time_uniform"), NoiseSchedule(), entry["n"].get<int64_t>());
    const auto times = entry["model_t"].get<std::vector<double>>();
    ASSERT_EQ(levels.size(), times.size() + 1);
    for (size_t i = 0; i < times.size(); ++i) EXPECT_NEAR(levels[i].timestep, times[i], 1e-7) << entry["id"];
    EXPECT_NEAR(levels.back().sigma, NoiseSchedule().sigma_min(), 1e-12);
  }
}

TEST(Schedule, TrailingAndLinspaceMatchDiffusers) {
  for (const auto& entry : golden_cases("samplers/diffusers.json")) {
    const bool multistep = entry["scheduler"] == "DPMSolverMultistep" || entry["scheduler"] == "UniPCMultistep";
    const auto& config = entry["config"];
    const std::string spacing = config.value("timestep_spacing", multistep ? "linspace" : "leading");
    const bool karras_like = entry.dump().find("_sigmas\": true") != std::string::npos ||
                             config.value("use_karras_sigmas", false) || config.value("use_beta_sigmas", false) ||
                             config.value("use_exponential_sigmas", false) || config.value("use_lu_lambdas", false);
    if (!multistep || karras_like || spacing == "leading") continue;
    const auto timesteps = entry["timesteps"].get<std::vector<double>>();
    const Levels levels = make_levels(find_schedule(spacing), NoiseSchedule(), entry["n"].get<int64_t>());
    ASSERT_EQ(levels.size(), timesteps.size() + 1);
    for (size_t i = 0; i < timesteps.size(); ++i) EXPECT_EQ(levels[i].timestep, timesteps[i]) << entry["id"];
  }
}

TEST(Schedule, EveryOneFallsToItsEndAtEveryStepCount) {
  for (const Schedule& schedule : schedules()) {
    for (const int64_t steps : {1, 2, 3, 10, 37, 999, 1000}) {
      const Levels levels = make_levels(schedule, NoiseSchedule(), steps);
      ASSERT_GE(levels.size(), 2u) << schedule.name;
      for (size_t i = 0; i + 1 < levels.size(); ++i) {
        ASSERT_GT(levels[i].sigma, levels[i + 1].sigma) << schedule.name << " " << steps << " [" << i << "]";
        ASSERT_GE(levels[i].timestep, 0.0);
        ASSERT_LE(levels[i].timestep, 999.0);
      }
    }
  }
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    return error.what();
  }
  return "no error";
}

TEST(Schedule, NamesIgnoreCaseAndPunctuation) {
  EXPECT_EQ(find_schedule("SGM Uniform").name, "sgm_uniform");
  EXPECT_EQ(find_schedule("normal").name, "discrete");
  EXPECT_EQ(find_schedule("Align-Your-Steps").name, "align_your_steps");
}

TEST(Schedule, ErrorsNameTheCure) {
  EXPECT_EQ(message_of([] { find_schedule("karas"); }), "unknown schedule 'karas'; did you mean 'karras'?");
  EXPECT_THAT(message_of([] { find_schedule("zzzzzzzzzz"); }), ::testing::HasSubstr("known are ddim, "));
  EXPECT_EQ(message_of([] { make_levels(find_schedule("karras"), NoiseSchedule(), 0); }),
            "0 steps are not possible; choose 1 to 1000");
}

}  // namespace
}  // namespace easel
