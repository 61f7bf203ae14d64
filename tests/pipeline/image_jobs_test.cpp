// Jobs that start from an image, as a whole. What the original scripts give is in tests/cli/golden_images_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "easel/base/error.h"
#include "easel/image/infotext.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/hires.h"
#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/upscaler.h"
#include "easel/sampling/registry.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

Image gradient(int64_t width_px, int64_t height_px) {
  Image image(width_px, height_px);
  for (int64_t y = 0; y < height_px; ++y) {
    for (int64_t x = 0; x < width_px; ++x) {
      image.pixel(x, y)[0] = static_cast<uint8_t>(2 * x);
      image.pixel(x, y)[1] = static_cast<uint8_t>(2 * y);
      image.pixel(x, y)[2] = 90;
    }
  }
  return image;
}

Request request_for(Task task) {
  Request request;
  request.task = task;
  request.prompt = "a red bird on a branch";
  request.steps = 4;
  request.seed = 5;
  if (task == Task::txt2img) {
    request.width_px = request.height_px = 64;
  } else {
    request.init_image = gradient(64, 64);
  }
  if (task == Task::inpaint) {
    request.mask = Mask(64, 64);
    paste_inplace(*request.mask, Mask(32, 64, {255}), 0, 0);
    request.mask_blur_px = 0;
  }
  return request;
}

Pipeline open(const std::string& model) { return Pipeline({.checkpoint = golden_path("models/" + model)}); }

std::string refusal(Pipeline& pipeline, const Request& request, ErrorCode code = ErrorCode::invalid_request) {
  try {
    pipeline.generate(request);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

// Root of the mean squared difference of bytes.
double distance(const Image& a, const Image& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.bytes().size(); ++i) sum += std::pow(double{a.bytes()[i] * 1.0} - b.bytes()[i], 2);
  return std::sqrt(sum / static_cast<double>(a.bytes().size()));
}

TEST(ImageJobs, StrengthCountsSteps) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = request_for(Task::img2img);
  const auto steps = [&](double strength, StrengthMode mode, const char* sampler) {
    request.strength = strength;
    request.strength_mode = mode;
    request.sampler = sampler;
    return pipeline.generate(request).times.network_steps;
  };
  for (const char* sampler : {"ddim", "euler"}) {
    EXPECT_EQ(steps(0.0, StrengthMode::compvis, sampler), 0);
    EXPECT_EQ(steps(0.5, StrengthMode::compvis, sampler), 2);
    EXPECT_EQ(steps(1.0, StrengthMode::compvis, sampler), 4);
    EXPECT_EQ(steps(0.8, StrengthMode::diffusers, sampler), 3);
  }
  EXPECT_EQ(steps(0.5, StrengthMode::a1111, "ddim"), 2);
  EXPECT_EQ(steps(0.5, StrengthMode::a1111, "euler"), 3);
  EXPECT_EQ(steps(1.0, StrengthMode::a1111, "euler"), 4);
}

TEST(ImageJobs, WithStrength0TheImageIsEncodedAndDecodedAlone) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = request_for(Task::img2img);
  request.strength = 0.0;
  const Image unchanged = pipeline.generate(request).images[0].image;
  request.prompt = "something else";
  EXPECT_EQ(pipeline.generate(request).images[0].image, unchanged);
}

TEST(ImageJobs, FullStrengthForgetsTheImage) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = request_for(Task::img2img);
  request.strength = 1.0;
  request.image_seed = 1;  // does not take part in the stream that the start noise comes from
  const Result result = pipeline.generate(request);
  Request from_text = request_for(Task::txt2img);
  EXPECT_EQ(result.images[0].image, pipeline.generate(from_text).images[0].image);
}

TEST(ImageJobs, ImageOfABatchIsTheSingleImageOfItsSeed) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  for (const Task task : {Task::img2img, Task::inpaint}) {
    Request request = request_for(task);
    request.batch_size = 2;
    const Result batch = pipeline.generate(request);
    request.batch_size = 1;
    request.seed = 6;
    const Image single = pipeline.generate(request).images[0].image;
    for (size_t i = 0; i < single.bytes().size(); ++i) {
      ASSERT_NEAR(single.bytes()[i], batch.images[1].image.bytes()[i], 1);  // products of another size
    }
  }
}

class EverySampler : public ::testing::TestWithParam<const char*> {};

TEST_P(EverySampler, LeavesTheUnmaskedLatentAlone) {
  const Device& device = cpu_device();
  const Model model({.checkpoint = golden_path("models/sd1-tiny.ckpt")});
  PromptEncoder prompts(Tokenizer::open(require_asset(kBpeMerges)));
  prompts.prepare(model, device, {"", "a bird"}, {}, [](const std::string&) {});
  Request request = request_for(Task::inpaint);
  request.prompt = "a bird";
  request.sampler = GetParam();
  request.schedule = "karras";
  request.width_px = request.height_px = 64;
  request = with_defaults(request, {});
  const auto batch = plan_batches(request, 5).front();
  PerImageNoise noise(RngKind::cpu, {5});
  const Shape shape = latent_shape(model, request, 1);
  const Tensor original = noise.draw(device, shape);
  std::vector<float> mask(static_cast<size_t>(shape.count()), 0.0f);
  const size_t half = mask.size() / 2;
  std::fill_n(mask.begin(), half, 1.0f);
  const Tensor repaint = Tensor::from(device, shape, std::span<const float>(mask));
  const StartingPoint start{
      .noise = noise.draw(device, shape), .latent = original, .repaint = repaint, .original = original};
  const Tensor drawn = draw_latent({model, prompts, request, batch, start}, noise, {});
  // Noise of five standard deviations at the highest level, rounded a few times each step, goes away again.
  const double rounding = 5 * model.schedule().sigma_max() * 0x1p-23 * 4 * static_cast<double>(*request.steps);
  // The samplers of CompVis end at the level of timestep 0.
  const bool ends_clean = find_sampler(GetParam()).sampler.convention != Convention::compvis;
  const double left_over = ends_clean ? 0.0 : 5 * model.schedule().sigma_min();
  const std::vector<float> actual = drawn.values(), expected = original.values();
  for (size_t i = half; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], rounding + left_over) << i;
  EXPECT_NE(actual[0], expected[0]);
}

INSTANTIATE_TEST_SUITE_P(Samplers, EverySampler,
                         ::testing::Values("ddim", "plms", "dpm_solver", "euler_ancestral", "heun", "dpmpp_2m_sde",
                                           "unipc", "lcm"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ImageJobs, UnmaskedPixelsAreIdentical) {
  for (const char* model : {"sd1-tiny.ckpt", "sd1-inpaint-tiny.safetensors"}) {
    Pipeline pipeline = open(model);
    const Request request = request_for(Task::inpaint);
    const Image drawn = pipeline.generate(request).images[0].image;
    EXPECT_EQ(crop(drawn, {32, 0, 32, 64}), crop(*request.init_image, {32, 0, 32, 64})) << model;
    EXPECT_NE(crop(drawn, {0, 0, 32, 64}), crop(*request.init_image, {0, 0, 32, 64})) << model;
  }
}

TEST(ImageJobs, EachFillStartsFromSomethingElse) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = request_for(Task::inpaint);
  request.strength = 0.5;
  std::vector<Image> images;
  for (const MaskFill fill : {MaskFill::original, MaskFill::blur, MaskFill::noise, MaskFill::zero}) {
    request.mask_fill = fill;
    images.push_back(pipeline.generate(request).images[0].image);
    for (size_t i = 0; i + 1 < images.size(); ++i) EXPECT_NE(images[i], images.back());
  }
}

TEST(ImageJobs, ACheckpointSaysWhatItIsFor) {
  Pipeline text = open("sd1-tiny.ckpt");
  EXPECT_THAT(refusal(text, request_for(Task::depth2img)), HasSubstr("depth2img needs one of SD 2.x depth"));
  Pipeline inpaint = open("sd1-inpaint-tiny.safetensors");
  EXPECT_THAT(refusal(inpaint, request_for(Task::txt2img)),
              HasSubstr("is a checkpoint of SD 1.x inpainting, which is for 'easel inpaint'"));
}

TEST(ImageJobs, DepthIsEstimatedOrGiven) {
  const TemporaryFolder folder;
  Pipeline pipeline({.checkpoint = assemble_sd2_depth_tiny(folder.path())});
  Request request = request_for(Task::depth2img);
  request.batch_size = 2;
  const Result estimated = pipeline.generate(request);
  EXPECT_EQ(estimated.request.strength, 0.9);
  EXPECT_EQ(estimated.times.network_steps, 3);
  request.depth_map = Grey16{.size = {2, 1}, .values = {0, 65535}};
  EXPECT_NE(pipeline.generate(request).images[1].image, estimated.images[1].image);
  EXPECT_THAT(refusal(pipeline, request_for(Task::img2img)), HasSubstr("which is for 'easel depth2img'"));
}

TEST(ImageJobs, MetadataSayHow) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = request_for(Task::inpaint);
  request.mask_fill = MaskFill::noise;
  request.strength = 0.5;
  const Infotext text = parse_infotext(pipeline.generate(request).images[0].parameters);
  EXPECT_EQ(text.find("Task"), "inpaint");
  EXPECT_EQ(text.find("Denoising strength"), "0.5");
  EXPECT_EQ(text.find("Mask blur"), "0");
  EXPECT_EQ(text.find("Masked content"), "noise");
}

TEST(Variations, ReachFromOneSeedToTheOther) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = request_for(Task::txt2img);
  const auto with = [&](double strength) {
    request.variation_strength = strength;
    request.variation_seed = 77;
    return pipeline.generate(request).images[0].image;
  };
  const Image at_0 = with(0.0), at_half = with(0.5), at_1 = with(1.0);
  request = request_for(Task::txt2img);
  EXPECT_EQ(pipeline.generate(request).images[0].image, at_0);
  EXPECT_NE(at_half, at_0);
  request.seed = 77;
  EXPECT_LT(distance(pipeline.generate(request).images[0].image, at_1), 1.0);
  EXPECT_GT(distance(at_half, at_1), 1.0);
}

// Golden: PyTorch with the formula of AUTOMATIC1111, columns of two rows.
TEST(Variations, SlerpColumnByColumn) {
  const Device& device = cpu_device();
  const auto tensor = [&](std::vector<float> values) { return Tensor::from(device, {1, 2, 2, 1}, values); };
  EXPECT_TENSOR_NEAR(slerp(tensor({1, 2, 3, -1}), tensor({0.5f, 1, -2, 2}), 0.25),
                     tensor({2.3019471f, 2.2304425f, 2.9931996f, -0.1585127f}), tolerance(DType::f32, 8));
}

// Golden: torch.nn.functional.interpolate.
TEST(Hires, BilinearMatchesPyTorch) {
  const Device& device = cpu_device();
  const Tensor x = Tensor::from(device, {1, 2, 3, 1}, std::vector<float>{0, 1, 4, 9, 16, 25});
  const std::vector<float> expected = {0, 0.4f, 1, 2.8f, 4, 4.5f, 6.1f, 8.5f, 12.1f, 14.5f, 9, 11.8f, 16, 21.4f, 25};
  EXPECT_TENSOR_NEAR(ops::resize(x, 3, 5), Tensor::from(device, {1, 3, 5, 1}, expected), tolerance(DType::f32, 4));
}

TEST(Hires, SecondPassIsLarger) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = request_for(Task::txt2img);
  request.hires_scale = 2.0;
  request.hires_steps = 2;
  request.hires_strength = 0.5;
  for (const char* upscaler : {"latent", "lanczos", "nearest"}) {
    request.hires_upscaler = upscaler;
    const Result result = pipeline.generate(request);
    EXPECT_EQ(result.images[0].image.size(), (Size{128, 128}));
    EXPECT_EQ(result.times.network_steps, 4 + 1);
  }
  request.hires_scale = 8.0;
  request.width_px = 2048;
  EXPECT_THAT(refusal(pipeline, request), HasSubstr("16384x512"));
}

// The second pass is img2img with what the network makes of the first picture.
TEST(Hires, ANetworkEnlargesThePicture) {
  const std::filesystem::path file = golden_path("upscale/real-esrgan-x4.pth");
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .upscalers = {file}});
  Request request = request_for(Task::txt2img);
  request.watermark = false;
  const Image small = pipeline.generate(request).images[0].image;
  request.hires_scale = 2.0;
  request.hires_strength = 0.5;
  request.hires_upscaler = "Real-ESRGAN-x4";
  int64_t tiles = 0;
  const Result result = pipeline.generate(
      request, {.on_progress = [&](const JobProgress& at) { tiles += at.stage == Stage::upscaling ? at.step : 0; }});
  EXPECT_EQ(tiles, 1);
  EXPECT_THAT(result.images[0].parameters, HasSubstr("Hires upscaler: Real-ESRGAN-x4"));

  Upscaler network({.checkpoint = file});
  Request second = request_for(Task::img2img);
  second.watermark = false;
  second.strength = 0.5;
  second.init_image = network.upscale({.image = small, .factor = 2.0}).image;
  EXPECT_EQ(result.images[0].image, pipeline.generate(second).images[0].image);

  request.hires_scale = 5.0;  // the network's 4 are too few, so it is applied twice
  EXPECT_EQ(pipeline.generate(request).images[0].image.size(), (Size{320, 320}));
}

TEST(Hires, AnUnknownUpscalerIsRefused) {
  Pipeline pipeline(
      {.checkpoint = golden_path("models/sd1-tiny.ckpt"),
       .upscalers = {golden_path("upscale/real-esrgan-x4.pth"), golden_path("models/vae-bf16.safetensors")}});
  Request request = request_for(Task::txt2img);
  request.hires_scale = 2.0;
  request.hires_upscaler = "real-esrgan-x3";
  EXPECT_THAT(refusal(pipeline, request, ErrorCode::not_found),
              HasSubstr("there is no hires upscaler 'real-esrgan-x3'; did you mean real-esrgan-x4?; expected latent, "
                        "lanczos, nearest, or the name"));
  request.hires_upscaler = "vae-bf16";
  EXPECT_THAT(refusal(pipeline, request, ErrorCode::bad_checkpoint), HasSubstr("vae-bf16.safetensors"));
  request.hires_upscaler = "";
  EXPECT_THAT(refusal(pipeline, request), HasSubstr("the hires upscaler has no name"));
}

}  // namespace
}  // namespace easel::testing
