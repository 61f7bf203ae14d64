#include "easel/pipeline/latent.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "easel/base/file.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/arithmetic.h"
#include "easel/pipeline/assets.h"
#include "easel/sampling/registry.h"
#include "easel/tensor/layout.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

// A different order of summation changes outputs of the networks by so much (tests/golden/models/README.md).
constexpr double kNetworkDifference = 1e-5;
// Values up to 5 whose logarithm and cosine come from another library: 4 units in the last place.
constexpr double kNoiseDifference = 2e-6;

struct RecordedRun {
  std::string model;  // file under tests/golden/models
  std::string reference;
  std::string name;
  std::string sampler;
  double amplification;  // recorded as `perturb_amplification`; of a similar run where there is no record
};

std::ostream& operator<<(std::ostream& out, const RecordedRun& run) { return out << run.reference << " " << run.name; }

class RecordedLatents : public ::testing::TestWithParam<RecordedRun> {};

double largest_difference(const std::vector<float>& a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double by = std::abs(double{a[i]} - double{b[i]});
    largest = std::isnan(by) ? INFINITY : std::max(largest, by);
  }
  return largest;
}

Request request_of(const nlohmann::json& run, const std::string& sampler) {
  Request request;
  request.prompts = run["prompts"].get<std::vector<std::string>>();
  request.negative_prompt = run["negative_prompt"];
  request.width_px = run["width"];
  request.height_px = run["height"];
  request.steps = run["steps"];
  request.guidance_scale = run["cfg_scale"];
  request.sampler = sampler;
  if (run.contains("eta")) request.eta = run["eta"].get<double>();
  request.seed = run["seed"];
  request.batch_size = static_cast<int64_t>(request.prompts.size());
  return with_defaults(request, {});
}

// Golden: the original samplers and networks on PyTorch; the estimate of the clean latent at every step.
TEST_P(RecordedLatents, EveryStepMatches) {
  const RecordedRun& recorded = GetParam();
  const Device& device = cpu_device();
  const auto json = nlohmann::json::parse(
      read_text_file(golden_path("models/" + recorded.reference + ".reference.json"), uint64_t{1} << 22));
  const Golden golden("models/" + recorded.reference + ".reference", device);
  const Request request = request_of(json["runs"][recorded.name], recorded.sampler);
  Model model({.checkpoint = golden_path("models/" + recorded.model)});
  if (!model.parameterization()) model.set_parameterization(Parameterization::v);
  PromptEncoder prompts(Tokenizer::open(require_asset(kBpeMerges)));
  std::vector<std::string> all = request.prompts;
  all.push_back(request.negative_prompt);
  prompts.prepare(model, device, all, {}, [](const std::string&) {});

  const auto batch = plan_batches(request, *request.seed).front();
  BatchNoise noise(RngKind::cpu, *request.seed);
  const Tensor start = noise.draw(device, latent_shape(model, request, request.batch_size));
  // Logarithm and cosine may differ in the last bits.
  EXPECT_TENSOR_NEAR(std::span<const float>(to_nchw(start)),
                     std::span<const float>(golden.values(recorded.name + ".start")), 4 * 0x1p-23);

  const std::string estimates = recorded.name + ".pred_x0";
  std::vector<float> expected;
  if (golden.has(estimates)) expected = golden.values(estimates);
  // What a difference of the start becomes; and what the last network call adds, through guidance and at its noise
  // level.
  const double carried = kNetworkDifference * recorded.amplification;
  const Levels levels = make_levels(find_schedule(*request.schedule), model.schedule(), *request.steps);
  const auto tolerance = [&](int64_t step) {
    const double sigma = levels[static_cast<size_t>(step)].sigma;
    const double factor = *model.parameterization() == Parameterization::v ? sigma / std::hypot(1.0, sigma) : sigma;
    return carried + kNetworkDifference * 2 * *request.guidance_scale * factor;
  };
  const auto on_step = [&](const Progress& progress) {
    if (expected.empty()) return;
    const auto count = static_cast<size_t>(start.count());
    const auto step = std::span<const float>(expected).subspan(static_cast<size_t>(progress.step - 1) * count, count);
    EXPECT_LE(largest_difference(to_nchw(progress.denoised), step), tolerance(progress.step - 1))
        << "step " << progress.step;
  };
  const Tensor latent =
      draw_latent({model, prompts, request, batch, {.noise = start}}, noise, {.on_step = on_step, .cancel = {}});
  const std::vector<float> final_latent = golden.values(recorded.name + ".latent");
  EXPECT_LE(largest_difference(to_nchw(latent), final_latent), carried);
}

INSTANTIATE_TEST_SUITE_P(
    Models, RecordedLatents,
    ::testing::Values(RecordedRun{"sd1-tiny.ckpt", "sd1-tiny", "txt2img.ddim", "ddim", 53},
                      RecordedRun{"sd1-tiny.ckpt", "sd1-tiny", "txt2img.ddim_eta1", "ddim", 62},
                      RecordedRun{"sd1-tiny.ckpt", "sd1-tiny", "txt2img.ddim_batch2", "ddim", 50},
                      RecordedRun{"sd1-tiny.ckpt", "sd1-tiny", "txt2img.ddim_cfg1", "ddim", 53},
                      RecordedRun{"sd1-tiny.ckpt", "sd1-tiny", "txt2img.plms", "plms", 43},
                      RecordedRun{"sd1-tiny.ckpt", "sd1-tiny", "txt2img.dpm", "dpm_solver", 53},
                      RecordedRun{"sd2-tiny.safetensors", "sd2-tiny", "txt2img.ddim", "ddim", 8},
                      RecordedRun{"sd2-tiny.safetensors", "sd2-tiny", "txt2img.ddim_eta1", "ddim", 8},
                      RecordedRun{"sd2-tiny.safetensors", "sd2-tiny", "txt2img.dpm", "dpm_solver", 8}));

}  // namespace
}  // namespace easel::testing
