// Golden: tests/golden/image/cases.json and more.json, Pillow 9.4.
#include "easel/image/resize.h"

#include "easel/image/blur.h"
#include "easel/image/fit.h"
#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;

ResizeFilter filter_of(const std::string& name) {
  if (name == "nearest") return ResizeFilter::nearest;
  if (name == "bilinear") return ResizeFilter::bilinear;
  return name == "bicubic" ? ResizeFilter::bicubic : ResizeFilter::lanczos;
}

TEST(Resize, EqualsPillowBitForBit) {
  const nlohmann::json cases = golden_json("image/cases.json")["resize"];
  ASSERT_EQ(cases.size(), 21U);
  for (const nlohmann::json& test : cases) {
    const std::string input = test["input"];
    const std::string output = test["output"];
    const Size size{test["width"], test["height"]};
    const Image resized = resize(golden_image("image/" + input), size, filter_of(test["filter"]));
    EXPECT_EQ(max_difference(resized, golden_image("image/" + output)), 0) << output;
  }
}

TEST(Resize, MasksAndImagesAgree) {
  const Mask mask = golden_mask("image/mask_96x64.png");
  const Mask small = resize(mask, {13, 50}, ResizeFilter::lanczos);
  EXPECT_EQ(image_from(small), resize(image_from(mask), {13, 50}, ResizeFilter::lanczos));
}

TEST(Resize, SameSizeChangesNothing) {
  const Image image = sample_image(20, 10);
  for (const ResizeFilter filter : {ResizeFilter::nearest, ResizeFilter::lanczos}) {
    EXPECT_EQ(resize(image, {20, 10}, filter), image);
  }
}

TEST(GaussianBlur, EqualsPillowBitForBit) {
  const nlohmann::json cases = golden_json("image/more.json")["blur"];
  ASSERT_EQ(cases.size(), 12U);
  for (const nlohmann::json& test : cases) {
    const std::string input = test["input"];
    const std::string output = test["output"];
    const float radius_px = test["radius"];
    if (test["mode"] == "L") {
      const Mask blurred = gaussian_blur(golden_mask("image/" + input), radius_px);
      EXPECT_EQ(max_difference(blurred, golden_mask("image/" + output)), 0) << output;
    } else {
      const Image blurred = gaussian_blur(golden_image("image/" + input), radius_px);
      EXPECT_EQ(max_difference(blurred, golden_image("image/" + output)), 0) << output;
    }
  }
}

TEST(GaussianBlur, RadiusZeroChangesNothing) {
  const Mask mask = golden_mask("image/mask_96x64.png");
  EXPECT_EQ(gaussian_blur(mask, 0.0f), mask);
}

// AUTOMATIC1111's resize_image: sizes rounded down, halves rounded down.
TEST(Fit, PlacesTheContent) {
  const Size wide{100, 50};
  EXPECT_EQ(fitted_rect(wide, {64, 64}, FitMode::stretch), (Rect{0, 0, 64, 64}));
  EXPECT_EQ(fitted_rect(wide, {64, 64}, FitMode::crop), (Rect{-32, 0, 128, 64}));
  EXPECT_EQ(fitted_rect(wide, {64, 64}, FitMode::pad), (Rect{0, 16, 64, 32}));
  const Size tall{50, 101};
  EXPECT_EQ(fitted_rect(tall, {64, 64}, FitMode::crop), (Rect{0, -32, 64, 129}));
  EXPECT_EQ(fitted_rect(tall, {64, 64}, FitMode::pad), (Rect{17, 0, 31, 64}));
  EXPECT_EQ(fitted_rect(wide, {128, 64}, FitMode::crop), (Rect{0, 0, 128, 64}));
}

TEST(Fit, CropTakesTheMiddle) {
  const Image image = sample_image(96, 48);
  EXPECT_EQ(fit(image, {48, 48}, FitMode::crop), crop(image, {24, 0, 48, 48}));
}

TEST(Fit, PadRepeatsTheEdges) {
  const Image image = sample_image(64, 32);
  const Image padded = fit(image, {64, 64}, FitMode::pad);
  EXPECT_EQ(crop(padded, {0, 16, 64, 32}), image);
  for (int64_t y = 0; y < 16; ++y) {
    EXPECT_EQ(crop(padded, {0, y, 64, 1}), crop(image, {0, 0, 64, 1}));
    EXPECT_EQ(crop(padded, {0, 48 + y, 64, 1}), crop(image, {0, 31, 64, 1}));
  }
}

TEST(Fit, ExtremeShapesKeepAPixel) {
  const Image line = sample_image(500, 1);
  EXPECT_EQ(fit(line, {64, 64}, FitMode::pad).size(), (Size{64, 64}));
  EXPECT_EQ(fit(line, {64, 64}, FitMode::crop).size(), (Size{64, 64}));
}

TEST(Fit, ExtendGrowsTheCanvas) {
  const Image image = sample_image(20, 10);
  const Image grown = extend(image, 3, 4, 5, 6);
  EXPECT_EQ(grown.size(), (Size{28, 20}));
  EXPECT_EQ(crop(grown, {3, 4, 20, 10}), image);
  EXPECT_EQ(crop(grown, {0, 0, 1, 1}), crop(image, {0, 0, 1, 1}));
  EXPECT_EQ(crop(grown, {27, 19, 1, 1}), crop(image, {19, 9, 1, 1}));
}

}  // namespace
}  // namespace easel
