// Golden: tests/golden/samplers/diffusers.*, the schedulers of diffusers on an analytic model, step by step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/sampling/dpm_solvers.h"
#include "easel/sampling/samplers.h"
#include "tests/sampling/golden_run.h"

namespace easel {
namespace {

using testing::AnalyticModel;
using testing::expect_latent_near;
using testing::expect_latents_near;
using testing::golden_cases;
using testing::golden_tolerance;
using testing::GoldenRun;
using testing::GoldenTensors;
using Json = nlohmann::json;

// diffusers' PNDM with linspace spacing reads its tables at timesteps it never visits (its fixed stride does not fit
// the spacing), and Runge-Kutta warm-up steps are not offered. Its sde-dpmsolver++ of order 3 weights the second
// difference by phi - 1 where the integral is phi; its other solvers and the 3M SDE of k-diffusion have the integral.
bool is_covered(const Json& entry) {
  const Json& config = entry["config"];
  if (config.value("algorithm_type", "") == "sde-dpmsolver++" && config.value("solver_order", 2) == 3) return false;
  return entry["scheduler"] != "PNDM" ||
         (config.value("timestep_spacing", "leading") != "linspace" && config.value("skip_prk_steps", false));
}

NoiseSchedule trained_of(const Json& entry) {
  const bool ddim = entry["scheduler"] == "DDIM";  // keeps an alpha_cumprod of 0
  return NoiseSchedule({.zero_terminal_snr = entry["config"].value("rescale_betas_zero_snr", false),
                        .terminal_alpha_cumprod = ddim ? 1e-20 : 0x1p-24});
}

Prediction prediction_of(const Json& config) {
  const std::string name = config.value("prediction_type", "epsilon");
  if (name == "sample") return Prediction::denoised;
  return name == "v_prediction" ? Prediction::v : Prediction::epsilon;
}

// DDIM and PNDM step down by a fixed stride, whatever timestep they visit next.
Plan strided_plan(const Json& entry, const NoiseSchedule& trained) {
  auto timesteps = entry["timesteps"].get<std::vector<int64_t>>();
  timesteps.erase(std::unique(timesteps.begin(), timesteps.end()), timesteps.end());
  const auto count = static_cast<int64_t>(timesteps.size());
  const int64_t stride = 1000 / entry["n"].get<int64_t>();
  const Level end = entry["config"].value("set_alpha_to_one", true) ? Level{0.0, 0.0} : trained.level(0);
  Plan plan{.convention = Convention::diffusers, .steps = {}, .noised_at = {}};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t t = timesteps[static_cast<size_t>(i)];
    const Level next = t >= stride ? trained.level(t - stride) : end;
    plan.steps.push_back({.index = i, .count = count, .at = trained.level(t), .next = next});
  }
  return plan;
}

Plan chained_plan(const Json& entry, const NoiseSchedule& trained) {
  const auto timesteps = entry["timesteps"].get<std::vector<int64_t>>();
  const auto sigmas = entry.value("sigmas", std::vector<double>());
  Levels levels;
  for (size_t i = 0; i < timesteps.size(); ++i) {
    levels.push_back(trained.level(timesteps[i]));
    if (!sigmas.empty()) levels.back().sigma = sigmas[i];
  }
  const double end = entry["scheduler"] == "TCD" ? trained.sigma_min() : 0.0;
  levels.push_back({sigmas.empty() ? end : sigmas.back(), 0.0});
  return make_plan(Convention::diffusers, levels);
}

DpmMultistepOptions multistep_options(const Json& config) {
  const std::string algorithm = config.value("algorithm_type", "dpmsolver++");
  return {.order = config.value("solver_order", 2),
          .predict_noise = !algorithm.ends_with("++"),
          .eta = algorithm.starts_with("sde") ? 1.0 : 0.0,
          .correction = config.value("solver_type", "midpoint") == "heun" ? DpmMultistepOptions::Correction::heun
                                                                          : DpmMultistepOptions::Correction::midpoint,
          .lower_order_final = config.value("lower_order_final", true),
          .euler_at_final = config.value("euler_at_final", false)};
}

UniPcOptions unipc_options(const Json& config) {
  return {.order = config.value("solver_order", 2),
          .scale = config.value("solver_type", "bh2") == "bh1" ? UniPcOptions::Scale::bh1 : UniPcOptions::Scale::bh2,
          .predict_noise = !config.value("predict_x0", true),
          .lower_order_final = config.value("lower_order_final", true),
          .uncorrected_steps = config.value("disable_corrector", std::vector<int64_t>())};
}

std::unique_ptr<Sampler> sampler_of(const Json& entry) {
  const std::string name = entry["scheduler"];
  if (name == "DDIM") return std::make_unique<DdimSampler>(entry["step"].value("eta", 0.0));
  if (name == "PNDM") return std::make_unique<PlmsSampler>();
  if (name == "UniPCMultistep") return std::make_unique<UniPcSampler>(unipc_options(entry["config"]));
  if (name == "DPMSolverMultistep") return std::make_unique<DpmMultistepSampler>(multistep_options(entry["config"]));
  if (name == "LCM") return std::make_unique<LcmSampler>();
  return std::make_unique<TcdSampler>(entry["step"]["eta"].get<double>());
}

struct SchedulerCase {
  std::string name;
  size_t cases;  // that are compared
};

class Diffusers : public ::testing::TestWithParam<SchedulerCase> {};

TEST_P(Diffusers, MatchEveryStep) {
  const GoldenTensors golden("samplers/diffusers.safetensors");
  AnalyticModel model;
  const std::string& name = GetParam().name;
  size_t compared = 0;
  for (const Json& entry : golden_cases("samplers/diffusers.json")) {
    if (entry["scheduler"] != name || !is_covered(entry)) continue;
    const auto id = entry["id"].get<std::string>();
    const NoiseSchedule trained = trained_of(entry);
    const bool strided = name == "DDIM" || name == "PNDM";
    const Plan plan = strided ? strided_plan(entry, trained) : chained_plan(entry, trained);
    const Prediction prediction = prediction_of(entry["config"]);
    const auto sigma_of = [&](const Level& level) { return trained.sigma(static_cast<int64_t>(level.timestep)); };
    Denoiser denoiser(model.network(prediction, sigma_of), prediction, trained);
    if (entry["config"].value("clip_sample", false)) denoiser = denoiser.clipped(1.0f);
    const GoldenRun out = testing::run(model, *sampler_of(entry), plan, denoiser, plan.start(model.start_noise()));

    std::vector<double> states = golden.values(id + ".x");
    if (name == "PNDM") states.erase(states.begin() + 256, states.begin() + 512);  // its inner first step
    expect_latents_near(out.states, states, golden_tolerance(entry), id);
    expect_latent_near(out.result, golden.values(id + ".final"), golden_tolerance(entry), id + " final");
    std::vector<double> calls;
    for (const Level& level : model.calls) calls.push_back(level.timestep);
    EXPECT_EQ(calls, entry["timesteps"].get<std::vector<double>>()) << id;
    // DDIM and PNDM draw at every step as CompVis does; noise that would be multiplied by 0 is not drawn by the others.
    const auto unused = static_cast<size_t>(plan.steps.back().next.sigma == 0.0 && name == "DPMSolverMultistep");
    const auto drawn = entry["noise_used"].get<size_t>();
    if (!strided) {
      EXPECT_EQ(out.noise_requests, drawn - std::min(drawn, unused)) << id;
    }
    ++compared;
  }
  EXPECT_EQ(compared, GetParam().cases);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Diffusers,
                         ::testing::Values(SchedulerCase{"DDIM", 19}, SchedulerCase{"PNDM", 8},
                                           SchedulerCase{"UniPCMultistep", 28}, SchedulerCase{"DPMSolverMultistep", 36},
                                           SchedulerCase{"LCM", 9}, SchedulerCase{"TCD", 12}),
                         [](const auto& info) { return info.param.name; });

// Of the 116 cases four are left out, by is_covered().
TEST(DiffusersCases, AllButFourAreCompared) {
  std::vector<std::string> left_out;
  for (const Json& entry : golden_cases("samplers/diffusers.json")) {
    if (!is_covered(entry)) left_out.push_back(entry["id"]);
  }
  EXPECT_THAT(left_out,
              ::testing::ElementsAre("024-PNDM-10", "027-PNDM-10", "028-PNDM-10", "073-DPMSolverMultistep-10"));
}

TEST(ConsistencySchedule, TimestepsMatchDiffusers) {
  for (const Json& entry : golden_cases("samplers/diffusers.json")) {
    if ((entry["scheduler"] != "LCM" && entry["scheduler"] != "TCD") || !entry["set"].empty()) continue;
    const Levels levels = make_levels(find_schedule("lcm"), NoiseSchedule(), entry["n"].get<int64_t>());
    std::vector<double> timesteps;
    for (const Level& level : levels) timesteps.push_back(level.timestep);
    timesteps.pop_back();
    EXPECT_EQ(timesteps, entry["timesteps"].get<std::vector<double>>()) << entry["id"];
  }
}

}  // namespace
}  // namespace easel
