// Golden: tests/golden/image/infotext.json, by the rules of AUTOMATIC1111/stable-diffusion-webui.
#include "easel/image/infotext.h"

#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;

TEST(Infotext, ParsesAllCases) {
  const nlohmann::json cases = golden_json("image/infotext.json")["cases"];
  ASSERT_EQ(cases.size(), 15U);
  for (const nlohmann::json& test : cases) {
    const std::string text = test["text"];
    const Infotext parsed = parse_infotext(text);
    nlohmann::json all{{"Prompt", parsed.prompt}, {"Negative prompt", parsed.negative_prompt}};
    for (const InfotextField& field : parsed.fields) all[field.key] = field.value;
    EXPECT_EQ(all, test["parsed"]) << text;
  }
}

TEST(Infotext, QuotesAllCases) {
  const nlohmann::json cases = golden_json("image/infotext.json")["quote"];
  ASSERT_EQ(cases.size(), 10U);
  for (const nlohmann::json& test : cases) {
    EXPECT_EQ(quote_infotext_value(test["value"].get<std::string>()), test["quoted"].get<std::string>());
  }
}

TEST(Infotext, WritesWhatA1111Writes) {
  const Infotext infotext{"a cat", "blurry", {{"Steps", "20"}, {"Sampler", "Euler a"}, {"Notes", "a, b"}}};
  EXPECT_EQ(write_infotext(infotext), "a cat\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Notes: \"a, b\"");
}

TEST(Infotext, NoNegativePromptNoLine) {
  EXPECT_EQ(write_infotext({"a cat", "", {{"Steps", "20"}}}), "a cat\nSteps: 20");
  EXPECT_EQ(write_infotext({"a cat", "", {}}), "a cat");
  EXPECT_EQ(write_infotext({"", "", {{"Steps", "20"}}}), "Steps: 20");
}

TEST(Infotext, ReadsBackWhatItWrote) {
  const Infotext written{"two\nlines: with, marks",
                         "not \"this\"",
                         {{"Steps", "20"}, {"Model", "say \"hi\", back\\slash\nnew line"}, {"Seed", "猫, 犬"}}};
  const Infotext read = parse_infotext(write_infotext(written));
  EXPECT_EQ(read.prompt, written.prompt);
  EXPECT_EQ(read.negative_prompt, written.negative_prompt);
  EXPECT_EQ(read.fields, written.fields);
}

TEST(Infotext, LaterValueOfAKeyWins) {
  const Infotext read = parse_infotext("p\nSteps: 1, Seed: 2, Steps: 3");
  EXPECT_EQ(read.find("Steps"), "3");
  EXPECT_EQ(read.fields.size(), 2U);
  EXPECT_EQ(read.find("Sampler"), std::nullopt);
}

TEST(Infotext, BrokenQuotesStayAsTheyAre) {
  const Infotext read = parse_infotext("p\nSteps: \"open, Seed: \"a\" b, Size: \"bad \\q\", CFG scale: \"\"");
  EXPECT_EQ(read.find("Steps"), "\"open");
  EXPECT_EQ(read.find("Seed"), "\"a\" b");
  EXPECT_EQ(read.find("Size"), "\"bad \\q\"");
}

TEST(Infotext, LongTextsTakeLinearTime) {
  const std::string word(1 << 22, 'a');  // quadratic time would take minutes
  EXPECT_EQ(parse_infotext(word).prompt, word);
  const std::string quotes = "ab: \"" + std::string(1 << 22, '\\');
  EXPECT_EQ(parse_infotext(quotes).prompt, quotes);
}

}  // namespace
}  // namespace easel
