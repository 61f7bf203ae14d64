// Golden: tests/golden/models/x4-upscaler-tiny, the original script's sampler and networks on PyTorch.
#include "easel/pipeline/upscale_network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "easel/base/file.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/latent.h"
#include "easel/pipeline/upscale_request.h"
#include "easel/tensor/layout.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

const std::string kName = "x4-upscaler-tiny";
// A different order of summation changes outputs of the networks by so much (tests/golden/models/README.md).
constexpr double kNetworkDifference = 1e-5;
constexpr double kLastBits = 4 * 0x1p-23;  // logarithm and cosine come from another library

nlohmann::json recorded_run(const std::string& name) {
  const std::string file = read_text_file(golden_path("models/" + kName + ".reference.json"), uint64_t{1} << 22);
  return nlohmann::json::parse(file)["runs"][name];
}

Golden golden() { return Golden("models/" + kName + ".reference", cpu_device()); }

Model open_model() {
  return Model({.checkpoint = golden_path("models/" + kName + ".safetensors"), .families = kUpscalingFamilies});
}

Request sampling_request_of(const nlohmann::json& run) {
  UpscaleRequest request;
  request.prompt = run["prompts"][0].get<std::string>();
  request.negative_prompt = run["negative_prompt"].get<std::string>();
  request.steps = run["steps"];
  request.guidance_scale = run["cfg_scale"];
  request.eta = run["eta"];
  request.seed = run["seed"];
  request.rng = "numpy";
  return sampling_request(with_defaults(request, UpscalerKind::diffusion, 4));
}

Image recorded_picture(const Golden& golden) {
  const std::vector<uint8_t> bytes = golden.image_bytes("upscale.lr.image_u8");
  const Shape shape = golden.shape("upscale.lr.image_u8");
  Image image(shape[1], shape[0]);
  std::copy(bytes.begin(), bytes.end(), image.bytes().begin());
  return image;
}

TEST(NoisedPicture, EqualsTheReference) {
  const Golden recorded = golden();
  const Tensor x = tensor_from(recorded_picture(recorded), cpu_device());
  EXPECT_TENSOR_NEAR(x, recorded.nhwc("upscale.lr.x"), kLastBits);
  const Tensor noise =
      BatchNoise(RngKind::cpu, recorded_run("upscale.ddim")["seed_lr_noise"]).draw(cpu_device(), x.shape());
  EXPECT_TENSOR_NEAR(noise, recorded.nhwc("upscale.lr.noise"), kLastBits);
  const int64_t level = recorded.integers("upscale.lr.noise_level").front();
  EXPECT_TENSOR_NEAR(noised_picture(x, noise, level), recorded.nhwc("upscale.lr.x_aug"), kLastBits);
}

class RecordedUpscale : public ::testing::TestWithParam<const char*> {
 protected:
  Tensor context(const Request& request) {
    prompts_.prepare(model_, cpu_device(), {request.prompt, request.negative_prompt}, {}, [](const std::string&) {});
    return ops::concat_batch(prompts_[request.negative_prompt], prompts_[request.prompt]);
  }

  const std::string name_ = GetParam();
  const nlohmann::json run_ = recorded_run(name_);
  const Golden golden_ = golden();
  const Model model_ = open_model();
  PromptEncoder prompts_ = PromptEncoder(Tokenizer::open(require_asset(kBpeMerges)));
};

double largest_difference(const std::vector<float>& a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double by = std::abs(double{a[i]} - double{b[i]});
    largest = std::isnan(by) ? INFINITY : std::max(largest, by);
  }
  return largest;
}

TEST_P(RecordedUpscale, EveryStepMatches) {
  const Request request = sampling_request_of(run_);
  const Tensor picture = golden_.nhwc("upscale.lr.x_aug");
  const Tensor start =
      BatchNoise(RngKind::numpy, *request.seed)
          .draw(cpu_device(), {1, picture.dim(1), picture.dim(2), model_.unet().config().out_channels});
  EXPECT_TENSOR_NEAR(start, golden_.nhwc(name_ + ".start"), kLastBits);
  const std::vector<PlannedImage> batch = {{.prompt = request.prompt, .seed = *request.seed}};
  LatentTask task{model_, prompts_, request, batch, {.noise = start}};
  task.network =
      upscale_network(model_.unet(), {.context = context(request),
                                      .noised_picture = picture,
                                      .noise_level = golden_.integers("upscale.lr.noise_level").front(),
                                      .guidance_scale = *request.guidance_scale,
                                      .grid = {cover(picture.dim(1), 256, 32, 8), cover(picture.dim(2), 256, 32, 8)}});

  std::vector<float> estimates;
  if (golden_.has(name_ + ".pred_x0")) estimates = golden_.values(name_ + ".pred_x0");
  // What a difference of the start becomes, and what the last network call adds through guidance.
  const double carried = kNetworkDifference * run_["numbers"]["perturb_amplification"].get<double>();
  const double added = kNetworkDifference * 2 * *request.guidance_scale;
  const auto on_step = [&](const Progress& progress) {
    if (estimates.empty()) return;
    const auto count = static_cast<size_t>(start.count());
    const auto expected =
        std::span<const float>(estimates).subspan(static_cast<size_t>(progress.step - 1) * count, count);
    EXPECT_LE(largest_difference(to_nchw(progress.denoised), expected), carried + added) << "step " << progress.step;
  };
  BatchNoise noise(RngKind::cpu, *request.seed);
  const Tensor latent = draw_latent(task, noise, {.on_step = on_step, .cancel = {}});
  EXPECT_LE(largest_difference(to_nchw(latent), golden_.values(name_ + ".latent")), carried + added);
}

INSTANTIATE_TEST_SUITE_P(Runs, RecordedUpscale, ::testing::Values("upscale.ddim", "upscale.ddim_eta1"));

}  // namespace
}  // namespace easel::testing
