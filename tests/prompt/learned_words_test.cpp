// Words that stand for vectors (textual inversion) among the tokens of a prompt.
#include "easel/prompt/learned_words.h"

#include <gmock/gmock.h>

#include "easel/prompt/chunks.h"
#include "tests/prompt/prompt_testing.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::tokenizer;

// "ink" takes 2 places, "ink-wash" 3, "many" 70.
const LearnedWords& words() {
  static const LearnedWords all(tokenizer(), {"ink", "ink-wash", "many", ""}, [](size_t word) {
    return std::vector<int64_t>{2, 3, 70, 1}[word];
  });
  return all;
}

std::vector<TokenChunk> chunks_of(std::string_view prompt) {
  return make_chunks(tokenizer(), parse_attention(prompt), {.learned_words = &words()});
}

TEST(LearnedWords, TakeThePlacesOfTheirVectors) {
  const auto chunks = chunks_of("a (ink:1.5) cat");
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_THAT(chunks[0].learned, ElementsAre(PlacedWord{.position = 2, .count = 2, .word = 0}));
  EXPECT_EQ(chunks[0].weights[1], 1.0f);
  EXPECT_EQ(chunks[0].weights[2], 1.5f);
  EXPECT_EQ(chunks[0].weights[3], 1.5f);
  EXPECT_EQ(chunks[0].weights[4], 1.0f);
  EXPECT_EQ(chunks[0].ids[4], tokenizer().encode("cat").front());
  EXPECT_EQ(chunks[0].ids[5], kEndToken);
}

TEST(LearnedWords, TheLongestNameWins) {
  EXPECT_THAT(chunks_of("an ink-wash")[0].learned, ElementsAre(PlacedWord{.position = 2, .count = 3, .word = 1}));
  EXPECT_THAT(chunks_of("INK")[0].learned, ElementsAre(PlacedWord{.position = 1, .count = 2, .word = 0}));
  EXPECT_THAT(chunks_of("inkwell")[0].learned, IsEmpty());
}

TEST(LearnedWords, AreNotCut) {
  std::string prompt;
  for (int i = 0; i < 10; ++i) prompt += "cat ";
  const auto chunks = chunks_of(prompt + "many dog");
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_THAT(chunks[0].learned, IsEmpty());
  EXPECT_THAT(chunks[1].learned, ElementsAre(PlacedWord{.position = 1, .count = 70, .word = 2}));
  EXPECT_EQ(chunks[1].ids[71], tokenizer().encode("dog").front());
}

}  // namespace
}  // namespace easel
