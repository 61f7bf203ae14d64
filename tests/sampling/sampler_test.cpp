// Golden: tests/golden/samplers, trajectories of CompVis and k-diffusion on an analytic model, step by step.
#include "easel/sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/ops/arithmetic.h"
#include "easel/sampling/dpm_solvers.h"
#include "easel/sampling/registry.h"
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
using testing::RecordedNoise;

std::vector<double> timesteps_of(const std::vector<Level>& calls) {
  std::vector<double> timesteps;
  for (const Level& level : calls) timesteps.push_back(level.timestep);
  return timesteps;
}

double sigma_at(const Level& level) { return level.sigma; }

Plan compvis_plan(const nlohmann::json& entry) {
  const auto steps = entry["n"].get<int64_t>();
  const Levels levels = make_levels(find_schedule("ddim"), NoiseSchedule(), steps);
  if (!entry.contains("strength")) return make_plan(Convention::compvis, levels);
  return make_plan(Convention::compvis, levels, static_cast<int64_t>(entry["strength"].get<double>() * steps));
}

TEST(CompvisSamplers, DdimAndPlmsMatchEveryStep) {
  const GoldenTensors golden("samplers/ldm.safetensors");
  AnalyticModel model;
  for (const auto& entry : golden_cases("samplers/ldm.json")) {
    const auto id = entry["id"].get<std::string>();
    const Plan plan = compvis_plan(entry);
    const auto sampler =
        find_sampler(entry["sampler"].get<std::string>()).sampler.make({.eta = entry["eta"], .churn = {}});
    const Denoiser denoiser(model.network(Prediction::epsilon, sigma_at), Prediction::epsilon);
    const Tensor noise = model.start_noise();
    const Tensor start = entry.contains("strength") ? plan.start(model.mean() * 0.5f, noise) : plan.start(noise);
    const GoldenRun out = testing::run(model, *sampler, plan, denoiser, start);
    const double tolerance = golden_tolerance(entry);
    expect_latents_near(out.states, golden.values(id + ".x"), tolerance, id);
    expect_latents_near(out.denoised, golden.values(id + ".pred_x0"), tolerance, id + " x0");
    expect_latent_near(out.result, golden.values(id + ".final"), tolerance, id + " final");
    EXPECT_EQ(timesteps_of(model.calls), entry["model_calls"].get<std::vector<double>>()) << id;
    EXPECT_EQ(out.noise_requests, entry["noise_used"].get<size_t>()) << id;
  }
}

DpmMultistepOptions dpm_options(const nlohmann::json& params) {
  return {.order = params["order"].get<int>(),
          .predict_noise = !params["predict_x0"].get<bool>(),
          .lower_order_final = params["lower_order_final"].get<bool>()};
}

TEST(CompvisSamplers, DpmSolverMatchesEveryStep) {
  const GoldenTensors golden("samplers/ldm_dpm_solver.safetensors");
  AnalyticModel model;
  for (const auto& entry : golden_cases("samplers/ldm_dpm_solver.json")) {
    const auto id = entry["id"].get<std::string>();
    const bool log_snr = entry["params"]["skip_type"] == "logSNR";
    const Plan plan = make_plan(Convention::compvis, make_levels(find_schedule(log_snr ? "log_snr" : "time_uniform"),
                                                                 NoiseSchedule(), entry["n"].get<int64_t>()));
    DpmMultistepSampler sampler(dpm_options(entry["params"]));
    const Denoiser denoiser(model.network(Prediction::epsilon, sigma_at), Prediction::epsilon);
    const GoldenRun out = testing::run(model, sampler, plan, denoiser, plan.start(model.start_noise()));
    expect_latents_near(out.states, golden.values(id + ".x"), golden_tolerance(entry), id);
    expect_latent_near(out.result, golden.values(id + ".final"), golden_tolerance(entry), id + " final");
    const auto times = entry["model_t"].get<std::vector<double>>();
    EXPECT_THAT(timesteps_of(model.calls), ::testing::Pointwise(::testing::DoubleNear(1e-7), times)) << id;
  }
}

Churn churn_of(const nlohmann::json& params) {
  return {.s_churn = params.value("s_churn", 0.0),
          .s_tmin = params.value("s_tmin", 0.0),
          .s_tmax = params.value("s_tmax", std::numeric_limits<double>::infinity()),
          .s_noise = params.value("s_noise", 1.0)};
}

// By the registry, where it has an option for every parameter.
std::unique_ptr<Sampler> k_sampler(const std::string& name, const nlohmann::json& params) {
  if (name == "lms") return std::make_unique<LmsSampler>(params.value("order", 4));
  if (params.contains("r")) return std::make_unique<DpmppSdeSampler>(params["eta"], 1.0, params["r"]);
  if (name == "dpm_adaptive") {
    return std::make_unique<DpmAdaptiveSampler>(DpmAdaptiveOptions{.order = params.value("order", 3),
                                                                   .rtol = params.value("rtol", 0.05),
                                                                   .atol = params.value("atol", 0.0078),
                                                                   .pcoeff = params.value("pcoeff", 0.0),
                                                                   .icoeff = params.value("icoeff", 1.0),
                                                                   .dcoeff = params.value("dcoeff", 0.0),
                                                                   .eta = params.value("eta", 0.0)});
  }
  SamplerOptions options{.eta = {}, .churn = churn_of(params)};
  if (params.contains("eta")) options.eta = params["eta"].get<double>();
  const bool heun = params.value("solver_type", "midpoint") == "heun";
  return find_sampler(heun ? name + "_heun" : name).sampler.make(options);
}

TEST(KDiffusionSamplers, MatchEveryStep) {
  const GoldenTensors golden("samplers/kdiffusion.safetensors");
  AnalyticModel model;
  for (const auto& entry : golden_cases("samplers/kdiffusion.json")) {
    const auto id = entry["id"].get<std::string>();
    const auto name = entry["sampler"].get<std::string>();
    Levels levels;
    for (const double sigma : entry["sigmas"].get<std::vector<double>>()) levels.push_back({sigma, 0.0});
    const Plan plan = make_plan(Convention::k_diffusion, levels);
    const auto sampler = k_sampler(name, entry["params"]);
    const Denoiser denoiser(model.network(Prediction::epsilon, sigma_at), Prediction::epsilon);
    const GoldenRun out = testing::run(model, *sampler, plan, denoiser, plan.start(model.start_noise()));
    const double tolerance = golden_tolerance(entry);
    const bool churned = entry["params"].contains("s_churn");  // the recorded state has the added noise
    if (name != "dpm_adaptive") {                              // its states are one per trial
      expect_latents_near(churned ? out.inputs : out.states, golden.values(id + ".x"), tolerance, id);
    }
    expect_latent_near(out.result, golden.values(id + ".final"), tolerance, id + " final");
    EXPECT_EQ(model.calls.size(), entry["model_calls"].get<size_t>()) << id;
    EXPECT_EQ(out.noise_requests, entry["noise_used"].get<size_t>()) << id;
    if (!entry.contains("call_sigmas")) continue;
    const auto sigmas = entry["call_sigmas"].get<std::vector<double>>();
    ASSERT_EQ(sigmas.size(), model.calls.size()) << id;
    // The adaptive solver's first error estimates are below float32 rounding, and they set its steps.
    const double relative = name == "dpm_adaptive" ? 5e-2 : 1e-6;
    for (size_t i = 0; i < sigmas.size(); ++i) {
      EXPECT_NEAR(model.calls[i].sigma, sigmas[i], relative * sigmas[i]) << id << " call " << i;
    }
  }
}

// --- the loop ---

TEST(Sample, StopsWithinAStepWhenCancelled) {
  AnalyticModel model;
  const CancelToken cancel;
  const Network network = model.network(Prediction::epsilon, sigma_at);
  const Denoiser denoiser(
      [&](const Tensor& x, const Level& level) {
        if (model.calls.size() == 1) cancel.cancel();  // during the second call, which is still in PLMS' first step
        return network(x, level);
      },
      Prediction::epsilon);
  const Plan plan = make_plan(Convention::compvis, make_levels(find_schedule("ddim"), NoiseSchedule(), 10));
  RecordedNoise noise(model);
  PlmsSampler sampler;
  try {
    sample(sampler, plan, denoiser, plan.start(model.start_noise()), noise, {.on_step = {}, .cancel = cancel});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
    EXPECT_STREQ(error.what(), "the job was cancelled");
  }
  EXPECT_EQ(model.calls.size(), 2u);
}

TEST(Sample, ImageToImageWithFullStrengthStartsFromNoiseAndWithNoneReturnsTheLatent) {
  AnalyticModel model;
  const Levels levels = make_levels(find_schedule("ddim"), NoiseSchedule(), 10);
  const Plan full = make_plan(Convention::compvis, levels, 10);
  EXPECT_EQ(full.start(model.mean(), model.start_noise()).values(), model.start_noise().values());
  const Plan none = make_plan(Convention::compvis, levels, 0);
  const Tensor start = none.start(model.mean(), model.start_noise());
  const Denoiser denoiser(model.network(Prediction::epsilon, sigma_at), Prediction::epsilon);
  RecordedNoise noise(model);
  DdimSampler sampler;
  EXPECT_EQ(sample(sampler, none, denoiser, start, noise).values(), model.mean().values());
}

TEST(Sample, VAndDenoisedPredictionGiveTheSameImageAsEpsilon) {
  AnalyticModel model;
  const Plan plan = make_plan(Convention::compvis, make_levels(find_schedule("ddim"), NoiseSchedule(), 10));
  std::vector<Tensor> results;
  for (const Prediction prediction : {Prediction::epsilon, Prediction::v, Prediction::denoised}) {
    DdimSampler sampler;
    const Denoiser denoiser(model.network(prediction, sigma_at), prediction);
    results.push_back(testing::run(model, sampler, plan, denoiser, plan.start(model.start_noise())).result);
  }
  for (const Tensor& result : results) {
    const std::vector<float> expected = to_nchw(results[0]);
    expect_latent_near(result, std::vector<double>(expected.begin(), expected.end()), 1e-5, "prediction");
  }
}

TEST(Guidance, CombinesTheHalvesAndDropsOneAtScaleOne) {
  AnalyticModel model;
  const Tensor x = model.start_noise();
  std::vector<int64_t> batches;
  const Network network = [&](const Tensor& input, const Level&) {
    batches.push_back(input.dim(0));
    Tensor out = input.clone();
    const auto values = out.data();
    for (size_t i = 0; i < values.size(); ++i) values[i] = i < values.size() / 2 ? 1.0f : 3.0f;
    return out;
  };
  EXPECT_EQ(guided(network, 7.5)(x, {1.0, 0.0}).values(), std::vector<float>(256, 1.0f + 7.5f * 2.0f));
  guided(network, 1.0)(x, {1.0, 0.0});
  EXPECT_EQ(batches, (std::vector<int64_t>{2, 1}));
  EXPECT_TRUE(needs_unconditional(0.0));
  EXPECT_FALSE(needs_unconditional(1.0));
}

}  // namespace
}  // namespace easel
