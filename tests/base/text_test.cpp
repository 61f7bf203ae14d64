#include "easel/base/text.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace easel {
namespace {

TEST(FormatBytes, RoundsToTwoDigitsOrWholeUnits) {
  EXPECT_EQ(format_bytes(0), "0 bytes");
  EXPECT_EQ(format_bytes(1), "1 byte");
  EXPECT_EQ(format_bytes(999), "999 bytes");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(1234), "1.2 kB");
  EXPECT_EQ(format_bytes(9'949), "9.9 kB");
  EXPECT_EQ(format_bytes(9'951), "10 kB");
  EXPECT_EQ(format_bytes(999'499), "999 kB");
  EXPECT_EQ(format_bytes(999'500), "1.0 MB");  // never "1000 kB"
  EXPECT_EQ(format_bytes(340'000'000), "340 MB");
  EXPECT_EQ(format_bytes(2'132'625'606), "2.1 GB");
  EXPECT_EQ(format_bytes(3'000'000'000'000), "3.0 TB");
  EXPECT_EQ(format_bytes(std::numeric_limits<uint64_t>::max()), "18447 PB");
}

// Unicode 15, table 3-7.
TEST(IsUtf8, AcceptsEveryWellFormedSequence) {
  const std::vector<std::string> accepted{
      "",
      "plain",
      std::string("\0", 1),
      "\x7F",
      "\xC2\x80",          // U+0080, the first of two bytes
      "\xDF\xBF",          // U+07FF
      "\xE0\xA0\x80",      // U+0800
      "\xED\x9F\xBF",      // U+D7FF, the last before the surrogates
      "\xEE\x80\x80",      // U+E000
      "\xEF\xBF\xBF",      // U+FFFF
      "\xF0\x90\x80\x80",  // U+10000
      "\xF4\x8F\xBF\xBF",  // U+10FFFF
      "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\xA8",
  };
  for (const std::string& text : accepted) EXPECT_TRUE(is_utf8(text)) << ::testing::PrintToString(text);
}

TEST(IsUtf8, RefusesEverythingElse) {
  const std::vector<std::string> refused{
      "\x80",              // a continuation first
      "\xC0\x80",          // overlong U+0000
      "\xC1\xBF",          // overlong
      "\xC2",              // cut short
      "\xC2\x41",          // not continued
      "\xE0\x9F\xBF",      // overlong
      "\xE2\x82",          // cut short
      "\xED\xA0\x80",      // surrogate U+D800
      "\xED\xBF\xBF",      // surrogate U+DFFF
      "\xF0\x8F\xBF\xBF",  // overlong
      "\xF0\x90\x80",      // cut short
      "\xF4\x90\x80\x80",  // U+110000
      "\xF5\x80\x80\x80",
      "\xFE",
      "\xFF",
      "good, then \xE9t\xE9 in Latin-1",
  };
  for (const std::string& text : refused) EXPECT_FALSE(is_utf8(text)) << ::testing::PrintToString(text);
}

TEST(NearestName, FindsSlipsOfTheFinger) {
  const std::vector<std::string> samplers{"ddim", "plms", "euler", "euler_a", "dpm++_2m", "dpm++_2m_karras"};
  EXPECT_EQ(nearest_name("dimm", samplers), "ddim");
  EXPECT_EQ(nearest_name("PLSM", samplers), "plms");
  EXPECT_EQ(nearest_name("eulr", samplers), "euler");
  EXPECT_EQ(nearest_name("Euler A", samplers), "euler_a");
  EXPECT_EQ(nearest_name("euler-a", samplers), "euler_a");
  EXPECT_EQ(nearest_name("DPM++2M", samplers), "dpm++_2m");
  EXPECT_EQ(nearest_name("dpm++2mkaras", samplers), "dpm++_2m_karras");
}

TEST(NearestName, KeepsSilentWhereNothingIsSimilar) {
  const std::vector<std::string> samplers{"ddim", "plms", "euler"};
  EXPECT_EQ(nearest_name("something else", samplers), std::nullopt);
  EXPECT_EQ(nearest_name("", samplers), std::nullopt);
  EXPECT_EQ(nearest_name("ddim", {}), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'x'), samplers), std::nullopt);  // takes no time either
}

TEST(JoinShortened, SpellsOutTheFirst) {
  const std::vector<std::string> items{"a", "b", "c", "d"};
  EXPECT_EQ(join_shortened(items, 2), "a, b and 2 more");
  EXPECT_EQ(join_shortened(items, 3), "a, b, c and 1 more");
  EXPECT_EQ(join_shortened(items, 4), "a, b, c, d");
  EXPECT_EQ(join_shortened(items, 9), "a, b, c, d");
  EXPECT_EQ(join_shortened({}, 3), "");
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,b,,c", ','), (std::vector<std::string>{"a", "b", "", "c"}));
  EXPECT_EQ(split(",", ','), (std::vector<std::string>{"", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
}

TEST(Text, TrimAndLower) {
  EXPECT_EQ(trim(" \t a b \r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(lower_ascii("Euler A \xC3\x84"), "euler a \xC3\x84");  // only ASCII: the rest keeps its bytes
}

TEST(Text, ParseNumberTakesTheWholeText) {
  EXPECT_EQ(parse_number<int64_t>("-12"), -12);
  EXPECT_EQ(parse_number<uint64_t>("18446744073709551615"), 18446744073709551615u);
  EXPECT_EQ(parse_number<double>("0.5"), 0.5);
  for (const char* text : {"", " 1", "1 ", "1x", "1.5", "99999999999999999999", "+1"}) {
    EXPECT_EQ(parse_number<int64_t>(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_number<uint64_t>("-1"), std::nullopt);
  EXPECT_EQ(parse_number<double>("1,5"), std::nullopt);
}

}  // namespace
}  // namespace easel
