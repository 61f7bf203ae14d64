// Images as values, grids and masks. Golden: Pillow 9.4 (grey, composite).
#include "easel/image/image.h"

#include "easel/image/grid.h"
#include "easel/image/masking.h"
#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;

TEST(Image, GreyEqualsPillow) {
  EXPECT_EQ(grey_from(golden_image("image/base_96x64.png")), golden_mask("image/grey_96x64.png"));
}

TEST(Image, PasteLeavesOutWhatIsOutside) {
  Image image(10, 10);
  const Image part(4, 4, {1, 2, 3});
  paste_inplace(image, part, -2, -3);
  paste_inplace(image, part, 8, 9);
  paste_inplace(image, part, 20, 0);
  EXPECT_EQ(std::count(image.bytes().begin(), image.bytes().end(), 1), 2 * 1 + 2 * 1);
  EXPECT_EQ(image.pixel(1, 0)[2], 3);
  EXPECT_EQ(image.pixel(2, 0)[2], 0);
}

TEST(Image, CropAndPasteAreInverse) {
  const Image image = sample_image(30, 20);
  Image copy = image;
  paste_inplace(copy, crop(image, {5, 6, 10, 11}), 5, 6);
  EXPECT_EQ(copy, image);
}

// torchvision.utils.make_grid: padding 2, black.
TEST(Grid, LaysOutAsTorchvision) {
  const std::vector<Image> images(5, Image(8, 6, {9, 9, 9}));
  const Image grid = make_grid(images, 3);
  EXPECT_EQ(grid.size(), (Size{3 * 10 + 2, 2 * 8 + 2}));
  EXPECT_EQ(crop(grid, {12, 10, 8, 6}), images[0]);
  EXPECT_EQ(crop(grid, {22, 10, 8, 6}), Image(8, 6));  // the empty cell
  EXPECT_EQ(grid.pixel(1, 1)[0], 0);
  EXPECT_EQ(std::count(grid.bytes().begin(), grid.bytes().end(), 9), 5 * 8 * 6 * 3);
}

TEST(Grid, FewImagesGiveANarrowGrid) {
  const std::vector<Image> images(2, Image(8, 6));
  EXPECT_EQ(make_grid(images, 4).size(), (Size{2 * 10 + 2, 10}));
}

TEST(Grid, OneImageStaysAsItIs) {
  const std::vector<Image> images{sample_image(8, 6)};
  EXPECT_EQ(make_grid(images, 4), images[0]);
}

TEST(Grid, RefusesWhatDoesNotFit) {
  const std::vector<Image> mixed{Image(8, 6), Image(6, 8)};
  EXPECT_EQ(message_of(ErrorCode::invalid_request, [&] { make_grid(mixed, 2); }),
            "the images of a grid must have one size: 8x6 and 6x8 do not fit");
  const std::vector<Image> many(5000, Image(200, 100));
  EXPECT_EQ(
      message_of(ErrorCode::invalid_request, [&] { make_grid(many, 10); }),
      "a grid of 5000 images would have 2022x51002 pixels, over the limit of 67 million pixels; leave it out with "
      "--skip_grid");
}

TEST(Masking, CompositeEqualsPillow) {
  const Image under = golden_image("image/base_96x64.png");
  Image over(96, 64);
  for (int64_t y = 0; y < 64; ++y) {
    for (int64_t x = 0; x < 96; ++x) std::copy_n(under.pixel(95 - x, y), 3, over.pixel(x, y));
  }
  EXPECT_EQ(composite(under, over, golden_mask("image/mask_96x64.png")), golden_image("image/composite_96x64.png"));
  EXPECT_EQ(composite(under, over, Mask(96, 64)), under);
  EXPECT_EQ(composite(under, over, inverted(Mask(96, 64))), over);
}

TEST(Masking, FindsTheSelectedPart) {
  Mask mask(20, 10);
  EXPECT_EQ(selected_rect(mask), std::nullopt);
  *mask.pixel(3, 4) = 1;
  *mask.pixel(7, 2) = 255;
  EXPECT_EQ(selected_rect(mask), (Rect{3, 2, 5, 3}));
  EXPECT_EQ(padded_rect({3, 2, 5, 3}, 4, {20, 10}), (Rect{0, 0, 12, 9}));
}

// modules/masking.py of AUTOMATIC1111, expand_crop_region.
TEST(Masking, GrowsToTheAspectRatio) {
  EXPECT_EQ(rect_of_aspect({40, 40, 20, 10}, {64, 64}, {100, 100}), (Rect{40, 35, 20, 20}));
  EXPECT_EQ(rect_of_aspect({0, 0, 10, 20}, {64, 64}, {100, 100}), (Rect{0, 0, 20, 20}));
  EXPECT_EQ(rect_of_aspect({95, 40, 5, 20}, {64, 64}, {100, 100}), (Rect{80, 40, 20, 20}));
  EXPECT_EQ(rect_of_aspect({0, 0, 100, 20}, {64, 64}, {100, 50}), (Rect{0, 0, 100, 50}));
}

TEST(Masking, FillKeepsWhatIsNotSelected) {
  const Image image = golden_image("image/base_96x64.png");
  Mask mask(96, 64);
  for (int64_t y = 20; y < 40; ++y) std::fill_n(mask.pixel(30, y), 30, uint8_t{255});
  const Image filled = filled_from_surroundings(image, mask);
  EXPECT_EQ(composite(filled, image, inverted(mask)), filled);  // all other pixels are the image's
  EXPECT_NE(crop(filled, {30, 20, 30, 20}), crop(image, {30, 20, 30, 20}));
}

TEST(Masking, FillOfOneColourIsThatColour) {
  const Image image(64, 64, {200, 100, 50});
  Mask mask(64, 64);
  for (int64_t y = 20; y < 40; ++y) std::fill_n(mask.pixel(20, y), 20, uint8_t{255});
  constexpr int kLayers = 11;  // each rounds to 8 bits
  EXPECT_LE(max_difference(filled_from_surroundings(image, mask), image), kLayers);
}

TEST(Masking, FillWithoutSurroundingsIsBlack) {
  EXPECT_EQ(filled_from_surroundings(sample_image(16, 16), inverted(Mask(16, 16))), Image(16, 16));
}

}  // namespace
}  // namespace easel
