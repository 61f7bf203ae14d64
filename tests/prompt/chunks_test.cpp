#include "easel/prompt/chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/prompt/prompt_testing.h"

namespace easel {
namespace {

using ::testing::Each;
using testing::tokenizer;

std::vector<TokenChunk> chunks_of(std::string_view prompt, ChunkOptions options = {}) {
  return make_chunks(tokenizer(), parse_attention(prompt), options);
}

// The tokens between start and end.
std::vector<int32_t> content(const TokenChunk& chunk) {
  const auto end = std::find(chunk.ids.begin(), chunk.ids.end(), kEndToken);
  return {chunk.ids.begin() + 1, end};
}

std::vector<size_t> lengths(const std::vector<TokenChunk>& chunks) {
  std::vector<size_t> lengths;
  for (const TokenChunk& chunk : chunks) lengths.push_back(content(chunk).size());
  return lengths;
}

std::string cats(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "cat ";
  return text;
}

using Lengths = std::vector<size_t>;

TEST(Chunks, OfAShortPromptAreWhatFitsToTheContext) {
  for (const int32_t pad : {kClipPadToken, kOpenClipPadToken}) {
    for (const std::string_view prompt : {"", "a cat", "a photo of a red fox, highly detailed"}) {
      const auto chunks = chunks_of(prompt, {.pad_token = pad});
      ASSERT_EQ(chunks.size(), 1u);
      EXPECT_EQ(chunks[0].ids, fit_to_context(tokenizer(), prompt, pad).ids);
      EXPECT_EQ(chunks[0].weights, std::vector<float>(77, 1.0f));
    }
  }
}

// Golden: the long prompts of tests/golden/tokenizer.
TEST(Chunks, OfALongPromptHoldItsTokensInOrder) {
  const auto golden = testing::read_golden_json("tokenizer/cases.json");
  int long_prompts = 0;
  for (const auto& item : golden.at("cases")) {
    const auto ids = item.at("ids").get<std::vector<int32_t>>();
    if (ids.size() <= 75 || std::ranges::count(ids, kEndToken) > 0) continue;
    ++long_prompts;
    const std::vector<WeightedText> plain{{item.at("text"), 1.0}};
    for (const int64_t backtrack : {0, 20}) {
      std::vector<int32_t> joined;
      for (const TokenChunk& chunk : make_chunks(tokenizer(), plain, {.comma_backtrack = backtrack})) {
        EXPECT_EQ(chunk.ids.size(), 77u);
        EXPECT_EQ(chunk.weights.size(), 77u);
        EXPECT_EQ(chunk.ids.front(), kStartToken);
        const auto part = content(chunk);
        joined.insert(joined.end(), part.begin(), part.end());
      }
      EXPECT_EQ(joined, ids) << item.at("id");
    }
  }
  EXPECT_GT(long_prompts, 5);
}

TEST(Chunks, HoldSeventyFiveTokens) {
  EXPECT_EQ(lengths(chunks_of(cats(75))), (Lengths{75}));
  EXPECT_EQ(lengths(chunks_of(cats(76))), (Lengths{75, 1}));
  EXPECT_EQ(lengths(chunks_of(cats(150))), (Lengths{75, 75}));
  EXPECT_EQ(lengths(chunks_of(cats(151))), (Lengths{75, 75, 1}));
}

TEST(Chunks, EndAtACommaWithinTwentyTokens) {
  EXPECT_EQ(lengths(chunks_of(cats(60) + ", " + cats(20))), (Lengths{61, 20}));
  EXPECT_EQ(lengths(chunks_of(cats(55) + ", " + cats(20))), (Lengths{56, 20}));  // 19 tokens follow the comma
  EXPECT_EQ(lengths(chunks_of(cats(54) + ", " + cats(21))),
            (Lengths{75, 1}));  // 20 follow: the comma is 21 from the end
  EXPECT_EQ(lengths(chunks_of(cats(74) + ", " + cats(2))), (Lengths{75, 2}));
  EXPECT_EQ(lengths(chunks_of(cats(60) + ", " + cats(20), {.comma_backtrack = 0})), (Lengths{75, 6}));
}

TEST(Chunks, EndAtTheEndIfNothingFollows) { EXPECT_EQ(lengths(chunks_of(cats(60) + ", " + cats(14))), (Lengths{75})); }

TEST(Chunks, LetACommaOpenTheNextIfTheyAreFull) {
  EXPECT_EQ(lengths(chunks_of(cats(60) + ", " + cats(14) + ", cat")), (Lengths{75, 2}));
}

TEST(Chunks, StartAtBreak) {
  EXPECT_EQ(lengths(chunks_of("a cat BREAK a red dog")), (Lengths{2, 3}));
  EXPECT_EQ(lengths(chunks_of("BREAK")), (Lengths{0}));
  EXPECT_EQ(lengths(chunks_of("a BREAK BREAK b")), (Lengths{1, 0, 1}));
  EXPECT_EQ(lengths(chunks_of("a BREAK")), (Lengths{1}));
}

TEST(Chunks, TakeBreakInBracketsForAWordAsTheWebUiDoes) { EXPECT_EQ(lengths(chunks_of("(a BREAK b)")), (Lengths{3})); }

TEST(Chunks, CarryAWeightForEachToken) {
  const auto chunks = chunks_of("a (red:1.5) [fox], (x)");
  ASSERT_EQ(chunks.size(), 1u);
  std::vector<float> expected(77, 1.0f);
  expected[2] = 1.5f;
  expected[3] = static_cast<float>(1.0 / 1.1);
  expected[5] = 1.1f;
  EXPECT_EQ(chunks[0].weights, expected);
}

TEST(Chunks, MoveWeightsWithTheirTokens) {
  const auto chunks = chunks_of(cats(60) + ", (" + cats(20) + ":1.5)");
  ASSERT_EQ(lengths(chunks), (Lengths{61, 20}));
  EXPECT_THAT(chunks[0].weights, Each(1.0f));
  EXPECT_THAT(std::vector<float>(chunks[1].weights.begin() + 1, chunks[1].weights.begin() + 21), Each(1.5f));
  EXPECT_THAT(std::vector<float>(chunks[1].weights.begin() + 21, chunks[1].weights.end()), Each(1.0f));
}

TEST(Chunks, PadWithThePadToken) {
  const auto chunks = chunks_of("cat", {.pad_token = kOpenClipPadToken});
  EXPECT_EQ(chunks[0].ids[2], kEndToken);
  EXPECT_THAT(std::vector<int32_t>(chunks[0].ids.begin() + 3, chunks[0].ids.end()), Each(0));
}

}  // namespace
}  // namespace easel
