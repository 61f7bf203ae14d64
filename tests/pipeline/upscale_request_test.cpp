#include "easel/pipeline/upscale_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "easel/pipeline/tile_plan.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

UpscaleRequest request_of(int64_t width_px = 64, int64_t height_px = 48) {
  UpscaleRequest request;
  request.image = Image(width_px, height_px);
  return request;
}

void expect_refused(const UpscaleRequest& request, UpscalerKind kind, const std::string& text) {
  try {
    check(request, kind, kind == UpscalerKind::lanczos ? 1 : 4);
    ADD_FAILURE() << "was accepted; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

// Calls change on a good request before checking it.
template <typename Change>
void expect_refused(UpscalerKind kind, const Change& change, const std::string& text) {
  UpscaleRequest request = request_of();
  change(request);
  expect_refused(request, kind, text);
}

constexpr UpscalerKind kLanczos = UpscalerKind::lanczos;
constexpr UpscalerKind kNetwork = UpscalerKind::network;
constexpr UpscalerKind kDiffusion = UpscalerKind::diffusion;

TEST(UpscaleRequest, AnImageIsEnough) {
  for (const UpscalerKind kind : {kLanczos, kNetwork, kDiffusion}) {
    EXPECT_NO_THROW(check(request_of(), kind, 4));
    EXPECT_NO_THROW(check(request_of(1, 1), kind, 4));
  }
  expect_refused(UpscaleRequest{}, kLanczos, "there is no image");
}

TEST(UpscaleRequest, SettingsOfDiffusionAreRefusedElsewhere) {
  for (const UpscalerKind kind : {kLanczos, kNetwork}) {
    expect_refused(
        kind, [](UpscaleRequest& r) { r.prompt = ""; }, "a prompt is for the diffusion upscaler");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.negative_prompt = "x"; }, "a negative prompt is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.noise_level = 20; }, "the noise level is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.image_seed = 1; }, "the image seed is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.steps = 5; }, "a number of steps is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.guidance_scale = 9; }, "the cfg scale is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.sampler = "ddim"; }, "a sampler is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.schedule = "karras"; }, "a schedule is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.eta = 0; }, "eta is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.seed = 1; }, "a seed is for");
    expect_refused(
        kind, [](UpscaleRequest& r) { r.rng = "cpu"; }, "the choice of random numbers is for");
  }
  expect_refused(
      kLanczos, [](UpscaleRequest& r) { r.tile_px = 64; }, "Lanczos needs none");
  expect_refused(
      kLanczos, [](UpscaleRequest& r) { r.overlap_px = 8; }, "Lanczos needs none");
}

TEST(UpscaleRequest, NumbersOutOfRange) {
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.noise_level = -1; }, "noise level is -1, expected 0 to 350");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.noise_level = 351; }, "noise level is 351, expected 0 to 350");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.steps = 0; }, "steps is 0, expected 1 to 1000");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.guidance_scale = NAN; }, "cfg scale is nan");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.eta = 2; }, "eta is 2, expected 0 to 1");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.sampler = "eulr"; }, "did you mean 'euler'?");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.rng = "dice"; }, "dice");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.prompt = "\xC0"; }, "not valid UTF-8");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.tile_px = 60; }, "tile is 60, expected a multiple of 8: 56 or 64");
  expect_refused(
      kNetwork, [](UpscaleRequest& r) { r.tile_px = 24; }, "tile is 24, expected 32 to 4096");
  expect_refused(
      kNetwork, [](UpscaleRequest& r) { r.overlap_px = 0; }, "overlap is 0, expected 8 to 128");
  expect_refused(
      kNetwork, [](UpscaleRequest& r) { r.tile_px = 64, r.overlap_px = 40; }, "overlap is 40, expected 8 to 32");
}

TEST(UpscaleRequest, Factors) {
  expect_refused(
      kLanczos, [](UpscaleRequest& r) { r.factor = 0.5; }, "factor is 0.5, expected 1 to 16");
  expect_refused(
      kLanczos, [](UpscaleRequest& r) { r.factor = NAN; }, "factor is nan");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.factor = 8; }, "upscale the result once more");
  expect_refused(
      kNetwork, [](UpscaleRequest& r) { r.factor = NAN; }, "factor is nan");
  UpscaleRequest request = request_of();
  request.factor = 1.5;
  EXPECT_EQ(upscaled_size(request), (Size{96, 72}));
  EXPECT_EQ(with_defaults(request_of(), kLanczos, 1).factor, 2.0);
  EXPECT_EQ(with_defaults(request_of(), kNetwork, 2).factor, 2.0);
  EXPECT_EQ(with_defaults(request_of(), kDiffusion, 4).factor, 4.0);
}

TEST(UpscaleRequest, ResultsThatAreTooLarge) {
  expect_refused(request_of(4096, 4096), kNetwork, "4096x4096 pixels would become 16384x16384");
  expect_refused(
      kDiffusion, [](UpscaleRequest& r) { r.image = Image(2056, 2048), r.factor = 1; }, "would become 8224x8192");
  expect_refused(
      kLanczos, [](UpscaleRequest& r) { r.image = Image(2048, 4096), r.factor = 16; }, "would become 32768x65536");
}

constexpr uint64_t kFixed = 1000;

// A byte for each pixel of a tile.
TileGrid plan(Size image, std::optional<int64_t> tile, std::optional<int64_t> overlap, uint64_t available) {
  return plan_tiles(
      {.image = image,
       .needed_bytes = [](int64_t rows, int64_t columns) { return kFixed + static_cast<uint64_t>(rows * columns); }},
      tile, overlap, available);
}

TEST(TilePlan, OneTileWhereItFits) {
  EXPECT_EQ(plan({128, 128}, {}, {}, 100'000).count(), 1);
  EXPECT_EQ(plan({256, 256}, {}, {}, 100'000).count(), 1);
  EXPECT_EQ(plan({8, 8}, {}, {}, kFixed + 64).count(), 1);
  EXPECT_EQ(plan({264, 256}, {}, {}, 100'000).count(), 2);  // however much memory there is
}

TEST(TilePlan, TilesAreAsLargeAsMemoryAllows) {
  const TileGrid grid = plan({512, 512}, {}, {}, kFixed + 128 * 128);
  EXPECT_LE(grid.rows().tile, 128);
  EXPECT_GT(grid.rows().tile, 96);
  EXPECT_EQ(grid.rows().overlap, 32);
  EXPECT_EQ(plan({512, 512}, 64, 16, 1'000'000).rows().overlap, 16);
  EXPECT_EQ(plan({512, 512}, 512, {}, 1'000'000).count(), 1);
  EXPECT_EQ(plan({512, 512}, 40, {}, 1'000'000).rows().overlap, 16);
}

void expect_too_little(std::optional<int64_t> tile, uint64_t available, const std::string& text) {
  try {
    plan({512, 512}, tile, {}, available);
    ADD_FAILURE() << "was planned; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(TilePlan, TooLittleMemoryTellsWhatCanBeDone) {
  expect_too_little({}, 2000,
                    "512x512 pixels need about 5.1 kB of memory even in tiles of 64 pixels, but 2.0 kB can be had");
  expect_too_little(32, 2000, "even in tiles of 32 pixels");
  expect_too_little(256, kFixed + 128 * 128, "try --tile 144, the largest that fits");
}

void expect_no_request(const std::string& json, const std::string& text) {
  try {
    parse_upscale_request(json);
    ADD_FAILURE() << json << " was accepted; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(UpscaleRequest, TravelsAsJson) {
  UpscaleRequest request = request_of(4, 3);
  request.image.pixel(1, 2)[0] = 200;
  request.factor = 2.5;
  request.prompt = "a bird";
  request.watermark = false;
  request.seed = UINT64_MAX;
  const UpscaleRequest read = parse_upscale_request(to_json(request));
  EXPECT_EQ(read.image, request.image);
  EXPECT_EQ(to_json(read), to_json(request));
  EXPECT_EQ(to_json(without_images(request)),
            R"({"factor":2.5,"prompt":"a bird","seed":18446744073709551615,"task":"upscale","watermark":false})");
}

TEST(UpscaleRequest, WrongJsonIsRefused) {
  expect_no_request("{", "not valid JSON");
  expect_no_request("[]", "expected an object");
  expect_no_request("{}", R"("task" is null, expected "upscale")");
  expect_no_request(R"({"task": "txt2img"})", R"("task" is "txt2img", expected "upscale")");
  expect_no_request(R"({"task": "upscale", "noise_levle": 3})", R"(did you mean "noise_level"?)");
  expect_no_request(R"({"task": "upscale", "factor": "2"})", R"("factor" is "2", expected a number)");
  expect_no_request(R"({"task": "upscale", "seed": -1})", "expected an integer from 0");
}

}  // namespace
}  // namespace easel::testing
