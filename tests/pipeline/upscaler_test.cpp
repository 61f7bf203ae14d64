#include "easel/pipeline/upscaler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "easel/base/error.h"
#include "easel/image/infotext.h"
#include "easel/image/resize.h"
#include "easel/image/watermark.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kMega = 1'000'000;

Upscaler diffusion(uint64_t memory_limit_bytes = 8000 * kMega) {
  return Upscaler({.checkpoint = golden_path("models/x4-upscaler-tiny.safetensors"),
                   .threads = 2,
                   .memory_limit_bytes = memory_limit_bytes});
}

Upscaler network(const std::string& file = "real-esrgan-x4.pth", uint64_t memory_limit_bytes = 8000 * kMega) {
  return Upscaler(
      {.checkpoint = golden_path("upscale/" + file), .threads = 2, .memory_limit_bytes = memory_limit_bytes});
}

// Smooth colours, and an edge.
Image scene(int64_t width_px, int64_t height_px) {
  Image image(width_px, height_px);
  for (int64_t y = 0; y < height_px; ++y) {
    for (int64_t x = 0; x < width_px; ++x) {
      const double u = static_cast<double>(x) / 40.0, v = static_cast<double>(y) / 30.0;
      const bool edge = x + y > (width_px + height_px) / 2;
      const std::array<double, 3> colour = {std::sin(3 * u + v), std::cos(2 * v - u), edge ? 0.8 : -0.5};
      for (int c = 0; c < 3; ++c)
        image.pixel(x, y)[c] = static_cast<uint8_t>(127.5 + 100 * colour[static_cast<size_t>(c)]);
    }
  }
  return image;
}

UpscaleRequest request_of(Image image) {
  UpscaleRequest request;
  request.image = std::move(image);
  return request;
}

UpscaleRequest diffusion_request(Image image) {
  UpscaleRequest request = request_of(std::move(image));
  request.prompt = "a red bird";
  request.steps = 3;
  request.seed = 5;
  request.watermark = false;
  return request;
}

double mean_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (size_t i = 0; i < a.bytes().size(); ++i) sum += std::abs(a.bytes()[i] - b.bytes()[i]);
  return sum / static_cast<double>(a.bytes().size());
}

// Mean difference of the pixels left and right of the border before column x.
double jump_at(const Image& image, int64_t x) {
  double sum = 0;
  for (int64_t y = 0; y < image.height_px(); ++y) {
    for (int c = 0; c < 3; ++c) sum += std::abs(image.pixel(x, y)[c] - image.pixel(x - 1, y)[c]);
  }
  return sum / static_cast<double>(3 * image.height_px());
}

void expect_error(ErrorCode code, const std::string& text, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(LanczosUpscaler, ResizesAsPillowDoes) {
  Upscaler lanczos;
  EXPECT_EQ(lanczos.description().kind, UpscalerKind::lanczos);
  UpscaleRequest request = request_of(scene(33, 17));
  UpscaleResult result = lanczos.upscale(request);
  EXPECT_EQ(result.image, resize(request.image, {66, 34}, ResizeFilter::lanczos));
  EXPECT_FALSE(result.watermarked);
  request.factor = 2.5;
  result = lanczos.upscale(request);
  EXPECT_EQ(result.image.size(), (Size{83, 43}));
  const Infotext text = parse_infotext(result.parameters);
  EXPECT_EQ(text.find("Upscaler"), "Lanczos");
  EXPECT_EQ(text.find("Upscale by"), "2.5");
  EXPECT_EQ(text.find("Size-1"), "83");
}

TEST(NetworkUpscaler, AnySizeWithAnyNetwork) {
  for (const auto& [file, scale] : {std::pair{"real-esrgan-x4.pth", 4},
                                    {"real-esrgan-x2.safetensors", 2},
                                    {"real-esrgan-x1.safetensors", 1},
                                    {"esrgan-x2.safetensors", 2}}) {
    Upscaler upscaler = network(file);
    EXPECT_EQ(upscaler.description().scale, scale);
    for (const Size size : {Size{1, 1}, Size{21, 37}, Size{40, 8}}) {
      const UpscaleResult result = upscaler.upscale(request_of(scene(size.width_px, size.height_px)));
      EXPECT_EQ(result.image.size(), (Size{scale * size.width_px, scale * size.height_px}));
      EXPECT_EQ(result.tiles, 1);
    }
  }
}

TEST(NetworkUpscaler, TilesGiveTheWholeImage) {
  Upscaler upscaler = network();
  UpscaleRequest request = request_of(scene(152, 120));
  const UpscaleResult whole = upscaler.upscale(request);
  ASSERT_EQ(whole.tiles, 1);
  request.tile_px = 96;
  const UpscaleResult tiled = upscaler.upscale(request);
  EXPECT_EQ(tiled.tiles, 4);
  int largest = 0;
  for (size_t i = 0; i < whole.image.bytes().size(); ++i) {
    largest = std::max(largest, std::abs(whole.image.bytes()[i] - tiled.image.bytes()[i]));
  }
  EXPECT_LE(largest, 1);
  const Infotext text = parse_infotext(tiled.parameters);
  EXPECT_EQ(text.find("Upscaler"), "real-esrgan-x4");
  EXPECT_EQ(text.find("Tile size-1"), "96");
  EXPECT_EQ(text.find("Tile overlap"), "32");
}

TEST(NetworkUpscaler, ASmallerFactorShrinksTheResult) {
  Upscaler upscaler = network();
  UpscaleRequest request = request_of(scene(24, 16));
  const UpscaleResult whole = upscaler.upscale(request);
  request.factor = 3;
  const UpscaleResult result = upscaler.upscale(request);
  EXPECT_EQ(result.image, resize(whole.image, {72, 48}, ResizeFilter::lanczos));
}

TEST(NetworkUpscaler, TellsTilesAndCanBeCancelled) {
  Upscaler upscaler = network();
  UpscaleRequest request = request_of(scene(96, 64));
  request.tile_px = 64;
  std::vector<int64_t> steps;
  const CancelToken cancel;
  Callbacks callbacks{.on_progress =
                          [&](const JobProgress& progress) {
                            EXPECT_EQ(progress.stage, Stage::upscaling);
                            EXPECT_EQ(progress.steps, 2);
                            steps.push_back(progress.step);
                          },
                      .cancel = cancel};
  upscaler.upscale(request, callbacks);
  EXPECT_THAT(steps, ::testing::ElementsAre(0, 1, 2));
  callbacks.on_progress = [&](const JobProgress& progress) {
    if (progress.step == 1) cancel.cancel();
  };
  expect_error(ErrorCode::cancelled, "cancelled", [&] { upscaler.upscale(request, callbacks); });
}

TEST(NetworkUpscaler, StaysWithinTheMemoryLimit) {
  const uint64_t limit = 100 * kMega;
  Upscaler upscaler = network("real-esrgan-x4.pth", limit);
  const UpscaleResult result = upscaler.upscale(request_of(scene(256, 256)));
  EXPECT_GT(result.tiles, 1);
  EXPECT_LE(result.planned_bytes, limit);
  EXPECT_LE(result.peak_tensor_bytes, result.planned_bytes);
  Upscaler tight = network("real-esrgan-x4.pth", 40 * kMega);
  expect_error(ErrorCode::out_of_memory, "even in tiles of 64 pixels, but 40 MB can be had",
               [&] { tight.upscale(request_of(scene(256, 256))); });
}

TEST(NetworkUpscaler, WeightsThatAreNotFinite) {
  const TemporaryFolder folder;
  const auto original = Checkpoint::open(golden_path("upscale/esrgan-x2.safetensors"));
  std::vector<WeightData> tensors(original->tensors().begin(), original->tensors().end());
  for (WeightData& tensor : tensors) {
    if (tensor.name == "model.7.bias") tensor = f32_tensor(tensor.name, {3}, std::vector<float>(3, NAN));
  }
  write_safetensors(folder / "bad.safetensors", tensors);
  Upscaler upscaler({.checkpoint = folder / "bad.safetensors"});
  expect_error(ErrorCode::bad_checkpoint, "bad: the network gives numbers that are not finite",
               [&] { upscaler.upscale(request_of(scene(8, 8))); });
}

TEST(NetworkUpscaler, OptionsOfDiffusionModelsAreRefused) {
  PipelineOptions options{.checkpoint = golden_path("upscale/esrgan-x4.pth")};
  options.prediction = "v";
  expect_error(ErrorCode::invalid_request, "the kind of prediction does not go with it", [&] { Upscaler{options}; });
}

TEST(DiffusionUpscaler, TheSameRequestGivesTheSameBytes) {
  Upscaler upscaler = diffusion();
  const UpscaleRequest request = diffusion_request(scene(24, 16));
  const UpscaleResult first = upscaler.upscale(request);
  EXPECT_EQ(first.image.size(), (Size{96, 64}));
  EXPECT_EQ(first.image, upscaler.upscale(request).image);
  EXPECT_EQ(first.image, diffusion().upscale(request).image);
}

TEST(DiffusionUpscaler, AnySize) {
  Upscaler upscaler = diffusion();
  for (const Size size : {Size{1, 1}, Size{21, 37}, Size{64, 3}}) {
    const UpscaleResult result = upscaler.upscale(diffusion_request(scene(size.width_px, size.height_px)));
    EXPECT_EQ(result.image.size(), (Size{4 * size.width_px, 4 * size.height_px}));
  }
}

TEST(DiffusionUpscaler, SettingsChangeTheImage) {
  Upscaler upscaler = diffusion();
  const UpscaleRequest request = diffusion_request(scene(16, 16));
  const Image original = upscaler.upscale(request).image;
  const auto changes = [&](const std::function<void(UpscaleRequest&)>& change) {
    UpscaleRequest changed = request;
    change(changed);
    return upscaler.upscale(changed).image != original;
  };
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.prompt = "a blue fish"; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.negative_prompt = "a blue fish"; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.noise_level = 100; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.image_seed = 6; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.seed = 6; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.guidance_scale = 1; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.sampler = "dpmpp_2m_sde"; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.rng = "numpy"; }));
  EXPECT_TRUE(changes([](UpscaleRequest& r) { r.rng = "gpu"; }));
  EXPECT_FALSE(changes([](UpscaleRequest& r) { r.eta = 0; }));  // the default
}

// The noise is drawn for the whole image and predictions are joined at every step, so tiles change details only; and at
// their borders the image jumps no more than there without tiles.
TEST(DiffusionUpscaler, TilesLeaveNoSeams) {
  Upscaler upscaler = diffusion();
  UpscaleRequest request = diffusion_request(scene(136, 40));
  request.steps = 10;
  const Image whole = upscaler.upscale(request).image;
  request.tile_px = 96;
  const UpscaleResult tiled = upscaler.upscale(request);
  ASSERT_EQ(tiled.tiles, 2);
  request.seed = 6;
  const Image other_noise = upscaler.upscale(request).image;
  EXPECT_LT(mean_difference(whole, tiled.image), mean_difference(whole, other_noise) / 2);
  const int64_t first_end = 4 * 88, second_begin = 4 * 48;  // two tiles of 88 pixels
  EXPECT_EQ(parse_infotext(tiled.parameters).find("Tile size-1"), "88");
  for (const int64_t x : {second_begin, first_end}) EXPECT_LE(jump_at(tiled.image, x), 1.1 * jump_at(whole, x)) << x;
}

TEST(DiffusionUpscaler, TellsStepsAndTiles) {
  Upscaler upscaler = diffusion();
  UpscaleRequest request = diffusion_request(scene(96, 64));
  request.tile_px = 64;
  request.steps = 2;
  std::vector<std::string> told;
  upscaler.upscale(request, {.on_progress = [&](const JobProgress& p) {
                     told.push_back(fmt::format("{} {}/{} {}/{}", name_of(p.stage), p.step, p.steps, p.tile, p.tiles));
                   }});
  EXPECT_THAT(told, ::testing::ElementsAre("text 0/1 0/1", "text 1/1 0/1", "sampling 0/2 0/2", "sampling 0/2 1/2",
                                           "sampling 1/2 0/2", "sampling 1/2 1/2", "sampling 2/2 0/2",
                                           "decoding 0/2 0/2", "decoding 1/2 0/2", "decoding 2/2 0/2"));
}

TEST(DiffusionUpscaler, IsCancelledWithinAStep) {
  Upscaler upscaler = diffusion();
  UpscaleRequest request = diffusion_request(scene(96, 64));
  request.tile_px = 64;
  for (const auto& [stage, tile, step] :
       {std::tuple{Stage::sampling, 1, 0}, {Stage::sampling, 1, 1}, {Stage::decoding, 0, 1}}) {
    const CancelToken cancel;
    int64_t told_after = 0;
    const auto on_progress = [&, stage = stage, tile = tile, step = step](const JobProgress& p) {
      told_after += cancel.cancelled();
      if (p.stage == stage && p.tile == tile && p.step == step) cancel.cancel();
    };
    expect_error(ErrorCode::cancelled, "cancelled",
                 [&] { upscaler.upscale(request, {.on_progress = on_progress, .cancel = cancel}); });
    EXPECT_EQ(told_after, 0);
  }
}

TEST(DiffusionUpscaler, StaysWithinTheMemoryLimit) {
  const uint64_t limit = 80 * kMega;
  Upscaler upscaler = diffusion(limit);
  UpscaleRequest request = diffusion_request(scene(128, 128));
  request.steps = 1;
  const UpscaleResult result = upscaler.upscale(request);
  EXPECT_GT(result.tiles, 1);
  EXPECT_LE(result.planned_bytes, limit);
  EXPECT_LE(result.peak_tensor_bytes, result.planned_bytes);
  request.tile_px = 128;
  expect_error(ErrorCode::out_of_memory, "the largest that fits", [&] { upscaler.upscale(request); });
  Upscaler tight = diffusion(40 * kMega);
  expect_error(ErrorCode::out_of_memory, "even in tiles of 64 pixels",
               [&] { tight.upscale(diffusion_request(scene(128, 128))); });
}

// Tiles are the larger part of a plan: where one fits, less memory changes nothing in the image.
TEST(DiffusionUpscaler, LittleMemoryGivesTheSameImage) {
  UpscaleRequest request = diffusion_request(scene(96, 64));
  request.steps = 2;
  const UpscaleResult freely = diffusion().upscale(request);
  const UpscaleResult tightly = diffusion(80 * kMega).upscale(request);
  ASSERT_LT(tightly.planned_bytes, freely.planned_bytes);
  EXPECT_EQ(tightly.tiles, 1);
  EXPECT_EQ(tightly.image, freely.image);
}

TEST(DiffusionUpscaler, ParametersSayHowToMakeTheImageAgain) {
  Upscaler upscaler = diffusion();
  UpscaleRequest request = diffusion_request(scene(16, 8));
  request.negative_prompt = "blurry";
  request.image_seed = 7;
  const UpscaleResult result = upscaler.upscale(request);
  const Infotext text = parse_infotext(result.parameters);
  EXPECT_EQ(text.prompt, "a red bird");
  EXPECT_EQ(text.negative_prompt, "blurry");
  for (const auto& [key, value] : {std::pair{"Steps", "3"},
                                   {"Sampler", "ddim"},
                                   {"CFG scale", "9"},
                                   {"Seed", "5"},
                                   {"Noise level", "20"},
                                   {"Image seed", "7"},
                                   {"RNG", "CPU"},
                                   {"Size-1", "64"},
                                   {"Upscaler", "x4-upscaler-tiny"},
                                   {"Upscale by", "4"}}) {
    EXPECT_EQ(text.find(key), value) << key;
  }
  EXPECT_TRUE(result.request.image.empty());
  EXPECT_EQ(result.request.steps, 3);
}

TEST(DiffusionUpscaler, WatermarkIsWrittenWhereItFits) {
  Upscaler upscaler = diffusion();
  UpscaleRequest request = diffusion_request(scene(64, 64));
  request.watermark = true;
  request.steps = 1;
  const UpscaleResult marked = upscaler.upscale(request);
  EXPECT_TRUE(marked.watermarked);
  const std::string_view text = kWatermarkSd2;
  EXPECT_GE(match_watermark(marked.image, std::span(&text, 1))->agreement, 0.9);
  request.image = scene(16, 16);
  EXPECT_FALSE(upscaler.upscale(request).watermarked);
}

TEST(DiffusionUpscaler, WrongSettings) {
  Upscaler upscaler = diffusion();
  UpscaleRequest request = diffusion_request(scene(16, 16));
  request.sampler = "euler";
  request.eta = 1;
  expect_error(ErrorCode::invalid_request, "the sampler euler adds no noise", [&] { upscaler.upscale(request); });
}

TEST(Upscaler, OtherCheckpointsAreRefused) {
  for (const auto& [model, text] : {std::pair{"sd1-tiny.ckpt", "a SD 1.x checkpoint, which makes no image larger"},
                                    {"sd1-inpaint-tiny.safetensors", "expected an x4 upscaler checkpoint"}}) {
    expect_error(ErrorCode::invalid_request, text,
                 [&, model = model] { Upscaler({.checkpoint = golden_path(std::string("models/") + model)}); });
  }
  expect_error(ErrorCode::bad_checkpoint, "no network that is known here",
               [] { Upscaler({.checkpoint = golden_path("models/vae-bf16.safetensors")}); });
  expect_error(ErrorCode::not_found, "/nowhere/x.pth", [] { Upscaler({.checkpoint = "/nowhere/x.pth"}); });
}

}  // namespace
}  // namespace easel::testing
