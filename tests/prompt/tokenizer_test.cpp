#include "easel/prompt/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/prompt/prompt_tokens.h"
#include "tests/prompt/prompt_testing.h"

namespace easel {
namespace {

using testing::tokenizer;

const nlohmann::json& cases() {
  static const nlohmann::json cases = testing::read_golden_json("tokenizer/cases.json");
  return cases;
}

std::vector<int32_t> ids_of(const nlohmann::json& ids) { return ids.get<std::vector<int32_t>>(); }

// Golden: tests/golden/tokenizer, SimpleTokenizer of openai/CLIP.
TEST(Tokenizer, GivesTheIdsOfTheReference) {
  ASSERT_EQ(cases().at("cases").size(), 485u);
  for (const auto& golden : cases().at("cases")) {
    EXPECT_EQ(tokenizer().encode(golden.at("text").get<std::string>()), ids_of(golden.at("ids"))) << golden.at("id");
  }
}

TEST(Tokenizer, FitsToTheContextAsTheReference) {
  for (const auto& golden : cases().at("cases")) {
    const std::string text = golden.at("text");
    const PromptTokens sd1 = fit_to_context(tokenizer(), text, kClipPadToken);
    const PromptTokens sd2 = fit_to_context(tokenizer(), text, kOpenClipPadToken);
    EXPECT_EQ(sd1.ids, ids_of(golden.at("sd1"))) << golden.at("id");
    EXPECT_EQ(sd2.ids, ids_of(golden.at("sd2"))) << golden.at("id");
    EXPECT_EQ(sd1.token_count, golden.at("n").get<int64_t>()) << golden.at("id");
    EXPECT_EQ(!sd1.cut_text.empty(), golden.at("truncated").get<bool>()) << golden.at("id");
  }
}

TEST(Tokenizer, TakesSpellingsThatDifferInCaseAndSpacesForEqual) {
  for (const auto& group : cases().at("equal_groups")) {
    for (const auto& text : group) {
      EXPECT_EQ(tokenizer().encode(text.get<std::string>()), tokenizer().encode(group.at(0).get<std::string>()))
          << text;
    }
  }
}

TEST(Tokenizer, TellsTheSourceOfEachToken) {
  const std::string prompt = "  A &eacute;cole\xC3\x89 \xC4\xB0x";  // É, then İ, which becomes two characters
  std::string sources;
  for (const SourceToken& token : tokenizer().encode_with_source(prompt)) {
    sources += token.starts_word ? '|' : '+';
    sources += prompt.substr(token.begin, token.end - token.begin);
  }
  EXPECT_EQ(sources, "|A|&eacute;+cole+\xC3\x89|\xC4\xB0|\xC4\xB0|x");
}

TEST(Tokenizer, CoversEveryWordOfEveryCase) {
  for (const auto& golden : cases().at("cases")) {
    const std::string text = golden.at("text");
    int64_t previous_end = 0;
    for (const SourceToken& token : tokenizer().encode_with_source(text)) {
      EXPECT_LT(token.begin, token.end) << golden.at("id");
      EXPECT_LE(token.end, static_cast<int64_t>(text.size())) << golden.at("id");
      EXPECT_GE(token.end, previous_end) << golden.at("id");
      previous_end = token.end;
    }
  }
}

TEST(Tokenizer, NamesTheCutWordsAsTyped) {
  std::string prompt;
  for (int i = 0; i < 75; ++i) prompt += "cat ";
  EXPECT_EQ(fit_to_context(tokenizer(), prompt, kClipPadToken).cut_text, "");
  EXPECT_EQ(fit_to_context(tokenizer(), prompt + " A Dog,  &amp; More \n", kClipPadToken).cut_text,
            "A Dog,  &amp; More");
}

TEST(Tokenizer, NamesAWordThatIsCutInTheMiddleWhole) {
  std::string prompt;
  for (int i = 0; i < 74; ++i) prompt += "cat ";
  ASSERT_GT(tokenizer().encode("Rutkowskiesque").size(), 2u);
  EXPECT_EQ(fit_to_context(tokenizer(), prompt + "Rutkowskiesque", kClipPadToken).cut_text, "Rutkowskiesque");
}

TEST(Tokenizer, DecodesWhatItEncoded) {
  const auto round_trip = [](std::string_view prompt) { return tokenizer().decode(tokenizer().encode(prompt)); };
  EXPECT_EQ(round_trip("A photo of   a CAT"), "a photo of a cat");
  EXPECT_EQ(round_trip("caf\xC3\xA9 \xF0\x9F\x98\x80"), "caf\xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(round_trip("<|startoftext|>a<|endoftext|>"), "<|startoftext|> a <|endoftext|>");
  EXPECT_EQ(tokenizer().decode({}), "");
}

TEST(Tokenizer, DecodesHalfACharacterToTheReplacementCharacter) {
  const std::vector<int32_t> ids{127};  // the byte 0xC3 alone
  EXPECT_EQ(tokenizer().decode(ids), "\xEF\xBF\xBD");
}

TEST(Tokenizer, RefusesUnknownIds) {
  for (const int32_t id : {-1, 49408}) {
    EXPECT_ERROR(tokenizer().decode(std::vector<int32_t>{id}), ErrorCode::invalid_request,
                 fmt::format("token {} does not exist; CLIP's are 0 to 49407", id));
  }
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const std::vector<std::pair<std::string, std::string>> bad{
      {"caf\xE9 noir", "byte 0xE9 at offset 3"},   // Latin-1
      {"abc\xC3", "byte 0xC3 at offset 3"},        // cut short
      {"\xC0\xAF", "byte 0xC0 at offset 0"},       // overlong
      {"a\xED\xA0\x80", "byte 0xED at offset 1"},  // surrogate
      {"\xF4\x90\x80\x80", "byte 0xF4 at offset 0"}, {"a\xFF\xFE", "byte 0xFF at offset 1"},
  };
  for (const auto& [prompt, message] : bad) {
    EXPECT_ERROR(
        tokenizer().encode(prompt), ErrorCode::invalid_request,
        "the prompt is not UTF-8: " + message + " starts no valid character; save the text as UTF-8 and try again");
  }
}

TEST(Tokenizer, RefusesEndlessPrompts) {
  EXPECT_ERROR(tokenizer().encode(std::string((size_t{16} << 20) + 1, 'a')), ErrorCode::invalid_request,
               "the prompt has 16777217 bytes; at most 16777216 are accepted");
}

// Each of these is quadratic in a careless tokenizer. A linear one needs about 0.1 s.
TEST(Tokenizer, TakesLongPromptsInLinearTime) {
  static constexpr size_t kBytes = size_t{1} << 18;
  for (const std::string_view unit :
       {"a", "ab", "&", "&a", "&ampl", "&#1", "'", "' ", "'\xCE\xA3", "\xCE\xA3", " ", "1", "<|", "\xCC\x81", "the "}) {
    std::string prompt;
    while (prompt.size() < kBytes) prompt += unit;
    const double seconds =
        testing::processor_seconds_of([&] { EXPECT_LE(tokenizer().encode(prompt).size(), prompt.size()); });
    EXPECT_LT(seconds, 5.0) << "unit \"" << unit << "\"";  // sanitizers included
  }
}

TEST(Tokenizer, SurvivesMutations) {
  testing::Mutator mutator(1);
  const auto& golden = cases().at("cases");
  for (size_t i = 0; i < 10000; ++i) {
    const std::string prompt = mutator.mutate(golden[i % golden.size()].at("text").get<std::string>());
    try {
      const auto ids = tokenizer().encode(prompt);
      EXPECT_TRUE(is_utf8(tokenizer().decode(ids)));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_request);
      EXPECT_FALSE(is_utf8(prompt));
    }
  }
}

TEST(TokenizerFile, OpensQuickly) {
  const double seconds =
      testing::processor_seconds_of([] { static_cast<void>(Tokenizer::open(testing::vocabulary_path())); });
  RecordProperty("open_ms", std::to_string(seconds * 1000.0));
  EXPECT_LT(seconds, 1.0);  // about 0.04; sanitizers included
}

TEST(TokenizerFile, ThatIsMissingIsNamed) {
  EXPECT_ERROR(Tokenizer::open("/nonexistent/merges.gz"), ErrorCode::not_found,
               "/nonexistent/merges.gz: no such file, but the tokenizer needs it; restore "
               "assets/bpe_simple_vocab_16e6.txt.gz of the easel distribution");
}

class DamagedVocabulary : public ::testing::Test {
 protected:
  std::filesystem::path write(std::string_view name, std::string_view bytes) {
    const std::filesystem::path path = directory_.path() / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  std::filesystem::path write_gzip(std::string_view name, const std::string& text) {
    const std::filesystem::path path = directory_.path() / name;
    const gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path;
  }

  testing::ScratchDirectory directory_;
};

TEST_F(DamagedVocabulary, EmptyOrForeignIsRefused) {
  for (const std::string_view bytes : {"", "#version: 0.2\ni n\n"}) {
    const auto path = write("merges.gz", bytes);
    EXPECT_ERROR(Tokenizer::open(path), ErrorCode::bad_config,
                 path.string() +
                     ": 0 lines of BPE merges could be read but the tokenizer needs 48895; restore "
                     "assets/bpe_simple_vocab_16e6.txt.gz of the easel distribution");
  }
}

TEST_F(DamagedVocabulary, CutShortIsRefused) {
  const std::string whole = testing::read_binary(testing::vocabulary_path());
  const auto path = write("merges.gz", whole.substr(0, 100000));
  EXPECT_ERROR_MATCHES(Tokenizer::open(path), ErrorCode::bad_config,
                       path.string() + ": [0-9]+ lines of BPE merges could be read but the tokenizer needs 48895; .*");
}

TEST_F(DamagedVocabulary, WithAnUnknownSymbolIsRefused) {
  std::string text = "#version\ni n\nfrodo baggins\n";
  for (int line = 0; line < 48895; ++line) text += "i n\n";
  const auto path = write_gzip("merges.gz", text);
  EXPECT_ERROR(Tokenizer::open(path), ErrorCode::bad_config,
               path.string() +
                   ": line 3 is no merge of two known symbols: \"frodo baggins\"; restore "
                   "assets/bpe_simple_vocab_16e6.txt.gz of the easel distribution");
}

TEST_F(DamagedVocabulary, NeverCrashes) {
  const std::string whole = testing::read_binary(testing::vocabulary_path());
  testing::Mutator mutator(2);
  for (int i = 0; i < 20; ++i) {
    const auto path = write("merges.gz", mutator.mutate(whole.substr(0, 60000)));
    EXPECT_THROW(static_cast<void>(Tokenizer::open(path)), Error);
  }
}

}  // namespace
}  // namespace easel
