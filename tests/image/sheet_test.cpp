// Sheets: images and labels lie where the layout says, and nowhere on each other.
#include "easel/image/sheet.h"

#include <gmock/gmock.h>

#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const SheetLabels kLabels{
    .columns = {"steps 10", "steps 20", "a very long label that has to be broken into several lines to fit above"},
    .rows = {"euler", "dpmpp_2m_sde_with_a_name_beyond_all_measure"},
    .pages = {"a red bird", "a blue bird"}};

bool overlap(const Rect& a, const Rect& b) {
  return a.x < b.x + b.width_px && b.x < a.x + a.width_px && a.y < b.y + b.height_px && b.y < a.y + a.height_px;
}

bool contains(Size size, const Rect& part) {
  return part.x >= 0 && part.y >= 0 && part.x + part.width_px <= size.width_px &&
         part.y + part.height_px <= size.height_px;
}

void expect_apart(const SheetLayout& layout) {
  std::vector<Rect> all = layout.cells;
  for (const SheetText& text : layout.texts) all.push_back(text.area);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(contains(layout.size, all[i])) << i;
    for (size_t k = 0; k < i; ++k) EXPECT_FALSE(overlap(all[i], all[k])) << i << " and " << k;
  }
}

class EachCell : public ::testing::TestWithParam<Size> {};

TEST_P(EachCell, NothingOverlaps) {
  const SheetLayout layout = lay_out_sheet(kLabels, GetParam());
  EXPECT_THAT(layout.cells, SizeIs(3 * 2 * 2));
  EXPECT_THAT(layout.texts, SizeIs((3 + 2 + 1) * 2));
  expect_apart(layout);
}

INSTANTIATE_TEST_SUITE_P(Sizes, EachCell,
                         ::testing::Values(Size{64, 64}, Size{128, 128}, Size{512, 768}, Size{1024, 64}));

// Pixel by pixel: every image is there untouched, and ink lies in the areas of the labels alone.
TEST(Sheet, DrawsImagesAndLabelsInTheirPlaces) {
  const Size cell{128, 96};
  const SheetLayout layout = lay_out_sheet(kLabels, cell);
  std::vector<Image> images;
  for (size_t i = 0; i < layout.cells.size(); ++i) {
    images.emplace_back(128, 96, Image::Pixel{200, static_cast<uint8_t>(10 * i), 100});
  }
  Image sheet = draw_sheet(layout, images);
  ASSERT_EQ(sheet.size(), layout.size);
  const Image white(128, 96, {255, 255, 255});
  for (size_t i = 0; i < images.size(); ++i) {
    EXPECT_EQ(crop(sheet, layout.cells[i]), images[i]) << i;
    paste_inplace(sheet, white, layout.cells[i].x, layout.cells[i].y);
  }
  for (const SheetText& text : layout.texts) {
    const Image area = crop(sheet, text.area);
    EXPECT_EQ(*std::min_element(area.bytes().begin(), area.bytes().end()), 0) << text.lines.front();
    paste_inplace(sheet, Image(text.area.width_px, text.area.height_px, {255, 255, 255}), text.area.x, text.area.y);
  }
  for (int64_t y = 0; y < sheet.height_px(); ++y) {
    for (int64_t x = 0; x < sheet.width_px(); ++x) ASSERT_EQ(sheet.pixel(x, y)[0], 255) << x << " " << y;
  }
}

TEST(Sheet, SmallerImagesAreCentred) {
  const SheetLayout layout = lay_out_sheet({.columns = {"", ""}, .rows = {""}, .pages = {""}}, {64, 64});
  EXPECT_THAT(layout.texts, SizeIs(0));
  const std::vector<Image> images = {Image(64, 64), Image(32, 16)};
  const Image sheet = draw_sheet(layout, images);
  const Rect& cell = layout.cells[1];
  EXPECT_EQ(crop(sheet, {cell.x + 16, cell.y + 24, 32, 16}), images[1]);
  EXPECT_EQ(sheet.pixel(cell.x + 15, cell.y + 24)[0], 255);
}

TEST(Sheet, WidePagesLieBelowEachOtherAndTallOnesSideBySide) {
  const std::vector<std::string> four = {"1", "2", "3", "4"}, one = {"1"}, pages = {"p", "q"};
  const SheetLayout wide = lay_out_sheet({.columns = four, .rows = one, .pages = pages}, {64, 64});
  EXPECT_EQ(wide.cells[4].x, wide.cells[0].x);
  EXPECT_GT(wide.cells[4].y, wide.cells[0].y);
  const SheetLayout tall = lay_out_sheet({.columns = one, .rows = four, .pages = pages}, {64, 64});
  EXPECT_GT(tall.cells[4].x, tall.cells[0].x);
  EXPECT_EQ(tall.cells[4].y, tall.cells[0].y);
}

TEST(Sheet, RefusesWhatIsTooLarge) {
  const std::vector<std::string> many(100, "x");
  EXPECT_THAT(message_of(ErrorCode::invalid_request,
                         [&] {
                           lay_out_sheet({.columns = many, .rows = many, .pages = {""}}, {512, 512});
                         }),
              HasSubstr("a sheet of 10000 images would have"));
}

}  // namespace
}  // namespace easel
