// Labels: what is drawn where, with the font of the system.
#include "easel/image/label.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include "golden_image.h"
#include "tests/support/temporary_folder.h"

namespace easel {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Image::Pixel kWhite{255, 255, 255};

// The smallest rectangle with all that is not white; empty if all is.
Rect ink_of(const Image& image) {
  int64_t left = image.width_px(), right = -1, top = image.height_px(), bottom = -1;
  for (int64_t y = 0; y < image.height_px(); ++y) {
    for (int64_t x = 0; x < image.width_px(); ++x) {
      if (image.pixel(x, y)[0] == 255) continue;
      left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
    }
  }
  return right < 0 ? Rect{} : Rect{left, top, right - left + 1, bottom - top + 1};
}

TEST(Label, InkStaysInItsLine) {
  const LabelFont font(20);
  const std::string text = "jteps 40, Éfg_Ågjf";
  Image image(300, 100, kWhite);
  font.draw_inplace(image, text, 30, 40);
  const Rect ink = ink_of(image);
  EXPECT_GE(ink.x, 30);
  EXPECT_LE(ink.x + ink.width_px, 30 + font.width_px(text));
  EXPECT_GE(ink.width_px, font.width_px(text) * 9 / 10);
  EXPECT_GE(ink.y, 40);
  EXPECT_LE(ink.y + ink.height_px, 40 + font.line_height_px());
  EXPECT_GE(ink.height_px, 20);  // from the ring of Å to the tail of g
}

TEST(Label, LettersAreBlackInTheMiddleAndSoftAtTheRim) {
  Image image(60, 60, kWhite);
  LabelFont(40).draw_inplace(image, "I", 10, 5);
  int darkest = 255, between = 0;
  for (const uint8_t value : image.bytes()) {
    darkest = std::min<int>(darkest, value);
    between += value > 0 && value < 255;
  }
  EXPECT_EQ(darkest, 0);
  EXPECT_GT(between, 0);
}

TEST(Label, WhatFallsOutsideIsLeftOut) {
  const LabelFont font(30);
  Image whole(200, 80, kWhite);
  font.draw_inplace(whole, "cut off", 20, 20);
  Image part(50, 30, kWhite);
  font.draw_inplace(part, "cut off", 20 - 60, 20 - 30);
  EXPECT_EQ(part, crop(whole, {60, 30, 50, 30}));
  font.draw_inplace(part, "far away", 1000, -1000);
  EXPECT_EQ(part, crop(whole, {60, 30, 50, 30}));
}

TEST(Label, WidthsAddUpAndGrowWithTheSize) {
  const LabelFont small(12), large(24);
  EXPECT_EQ(small.width_px(""), 0);
  EXPECT_GT(small.width_px("mm"), small.width_px("m"));
  EXPECT_GT(small.width_px("m"), small.width_px("i"));
  EXPECT_NEAR(large.width_px("seven words"), 2 * small.width_px("seven words"), 12);
  EXPECT_EQ(small.width_px("猫"), small.width_px("犬"));  // both are the box of a missing letter
}

TEST(Label, BreaksLinesAtSpaces) {
  const LabelFont font(16);
  const std::string text = "a red bird on  a branch";
  EXPECT_THAT(font.wrapped(text, 1000, 3), ElementsAre("a red bird on a branch"));
  EXPECT_THAT(font.wrapped(text, font.width_px("a red bird"), 3), ElementsAre("a red bird", "on a", "branch"));
  EXPECT_THAT(font.wrapped("", 100, 3), IsEmpty());
  EXPECT_THAT(font.wrapped("   ", 100, 3), IsEmpty());
}

TEST(Label, BreaksAWordThatIsWiderThanALine) {
  const LabelFont font(16);
  const std::vector<std::string> lines = font.wrapped("dpmpp_2m_sde_heun_äöü", font.width_px("dpmpp_2m"), 10);
  EXPECT_EQ(lines.front(), "dpmpp_2m");
  std::string all;
  for (const std::string& line : lines) {
    EXPECT_LE(font.width_px(line), font.width_px("dpmpp_2m"));
    all += line;
  }
  EXPECT_EQ(all, "dpmpp_2m_sde_heun_äöü");
}

TEST(Label, ShortensWhatHasNoEnd) {
  const LabelFont font(16);
  const int64_t width_px = font.width_px("a red bird on");
  std::string text = "a red bird";
  for (int i = 0; i < 50; ++i) text += " on a branch";
  const std::vector<std::string> lines = font.wrapped(text, width_px, 2);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(lines[0], "a red bird on");
  EXPECT_THAT(lines[1], HasSubstr("…"));
  EXPECT_LE(font.width_px(lines[1]), width_px);
  EXPECT_EQ(font.wrapped(text, 1, 1), std::vector<std::string>{"…"});  // nothing fits
}

TEST(Label, TellsWhatIsWrongWithTheFont) {
  const TemporaryFolder folder;
  ::setenv("EASEL_FONT", (folder / "none.ttf").c_str(), 1);
  EXPECT_THAT(message_of(ErrorCode::not_found, [] { LabelFont font(12); }), HasSubstr("which EASEL_FONT names"));
  ::setenv("EASEL_FONT", folder.write("text.ttf", "not a font").c_str(), 1);
  EXPECT_THAT(message_of(ErrorCode::bad_config, [] { LabelFont font(12); }), HasSubstr("text.ttf: is no font"));
  ::unsetenv("EASEL_FONT");
  EXPECT_GT(LabelFont(12).line_height_px(), 0);
}

}  // namespace
}  // namespace easel
