#include "easel/pipeline/canvas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"
#include "easel/image/masking.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

// Every pixel has a colour of its own.
Image colourful(int64_t width_px, int64_t height_px) {
  Image image(width_px, height_px);
  for (int64_t y = 0; y < height_px; ++y) {
    for (int64_t x = 0; x < width_px; ++x) {
      image.pixel(x, y)[0] = static_cast<uint8_t>(x);
      image.pixel(x, y)[1] = static_cast<uint8_t>(y);
      image.pixel(x, y)[2] = static_cast<uint8_t>(x + 3 * y);
    }
  }
  return image;
}

Mask rectangle(Size size, const Rect& selected) {
  Mask mask(size.width_px, size.height_px);
  paste_inplace(mask, Mask(selected.width_px, selected.height_px, {255}), selected.x, selected.y);
  return mask;
}

Request inpainting(const Image& image, const std::optional<Rect>& selected) {
  Request request;
  request.task = Task::inpaint;
  request.init_image = image;
  if (selected) request.mask = rectangle(image.size(), *selected);
  request.mask_blur_px = 0;
  const Size size = canvas_size(request);
  request.width_px = size.width_px;
  request.height_px = size.height_px;
  return request;
}

bool is_inside(const Rect& rect, int64_t x, int64_t y) {
  return x >= rect.x && x < rect.x + rect.width_px && y >= rect.y && y < rect.y + rect.height_px;
}

TEST(Canvas, SizeOfAnImageInMultiples) {
  Request request;
  request.task = Task::img2img;
  request.init_image = Image(150, 140);
  EXPECT_EQ(canvas_size(request), (Size{128, 128}));
  request.task = Task::inpaint;
  EXPECT_EQ(canvas_size(request), (Size{192, 192}));
  request.margins = {.left_px = 42, .bottom_px = 53};
  EXPECT_EQ(canvas_size(request), (Size{192, 256}));
  request.init_image = Image(1, 1);
  request.margins = {};
  EXPECT_EQ(canvas_size(request), (Size{64, 64}));
}

TEST(Canvas, InpaintingKeepsSizeAndEveryUnmaskedPixel) {
  const Image original = colourful(100, 70);
  const Rect selected{20, 30, 40, 16};
  const Canvas canvas(inpainting(original, selected));
  EXPECT_EQ(canvas.image().size(), (Size{128, 128}));
  EXPECT_EQ(crop(canvas.image(), original.bounds()), original);
  const Image white(128, 128, {255, 255, 255});
  const Image finished = canvas.finish(white);
  ASSERT_EQ(finished.size(), original.size());
  for (int64_t y = 0; y < 70; ++y) {
    for (int64_t x = 0; x < 100; ++x) {
      const uint8_t expected = is_inside(selected, x, y) ? 255 : original.pixel(x, y)[2];
      ASSERT_EQ(finished.pixel(x, y)[2], expected) << x << " " << y;
    }
  }
}

TEST(Canvas, WithoutCompositeThePictureStaysAsDrawn) {
  Request request = inpainting(colourful(100, 70), Rect{20, 30, 40, 16});
  request.composite = false;
  EXPECT_EQ(Canvas(request).finish(Image(128, 128, {9, 9, 9})), Image(100, 70, {9, 9, 9}));
}

TEST(Canvas, BlurSoftensTheBorder) {
  Request request = inpainting(colourful(64, 64), Rect{0, 0, 32, 64});
  request.mask_blur_px = 4;
  const Canvas canvas(request);
  const Mask& mask = *canvas.mask();
  EXPECT_EQ(*mask.pixel(10, 32), 255);
  EXPECT_EQ(*mask.pixel(54, 32), 0);
  EXPECT_NEAR(*mask.pixel(31, 32), 128, 16);
  const Image finished = canvas.finish(Image(64, 64, {255, 255, 255}));
  EXPECT_EQ(crop(finished, {50, 0, 14, 64}), crop(colourful(64, 64), {50, 0, 14, 64}));
}

TEST(Canvas, MarginsAreMasked) {
  Request request = inpainting(colourful(64, 64), std::nullopt);
  request.margins = {.left_px = 64};
  request.width_px = 128;
  const Canvas canvas(request);
  EXPECT_EQ(*canvas.mask(), rectangle({128, 64}, {0, 0, 64, 64}));
  const Image finished = canvas.finish(Image(128, 64, {255, 255, 255}));
  EXPECT_EQ(crop(finished, {64, 0, 64, 64}), colourful(64, 64));
  EXPECT_EQ(crop(finished, {0, 0, 64, 64}), Image(64, 64, {255, 255, 255}));
}

TEST(Canvas, OnlyMaskedWorksOnThePartAndPutsItBack) {
  const Image original = colourful(200, 120);
  const Rect selected{100, 40, 20, 20};
  Request request = inpainting(original, selected);
  request.only_masked = true;
  request.mask_padding_px = 6;
  request.width_px = request.height_px = 128;
  const Canvas canvas(request);
  EXPECT_EQ(canvas.image(), fit(crop(original, {94, 34, 32, 32}), {128, 128}, FitMode::stretch));
  EXPECT_EQ(selected_rect(*canvas.mask())->width_px, 20 * 4 + 2 * 2);  // bilinear: half a pixel more on each side
  const Image finished = canvas.finish(Image(128, 128, {255, 255, 255}));
  for (int64_t y = 0; y < 120; ++y) {
    for (int64_t x = 0; x < 200; ++x) {
      const uint8_t expected = is_inside(selected, x, y) ? 255 : original.pixel(x, y)[1];
      ASSERT_EQ(finished.pixel(x, y)[1], expected) << x << " " << y;
    }
  }
}

TEST(Canvas, ResizeModesDecideTheSize) {
  Request request = inpainting(colourful(100, 100), Rect{0, 0, 50, 100});
  request.resize_mode = FitMode::stretch;
  const Canvas canvas(request);  // 128 x 128
  EXPECT_EQ(canvas.image(), fit(colourful(100, 100), {128, 128}, FitMode::stretch));
  EXPECT_EQ(canvas.finish(Image(128, 128)).size(), (Size{128, 128}));
}

TEST(Canvas, RefusesAMaskThatSelectsNothing) {
  Request request = inpainting(colourful(64, 64), Rect{0, 0, 64, 64});
  request.invert_mask = true;
  try {
    const Canvas canvas(request);
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    EXPECT_THAT(error.what(), HasSubstr("selects nothing"));
  }
}

}  // namespace
}  // namespace easel::testing
