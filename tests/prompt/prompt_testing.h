// Helpers of the prompt tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <string_view>

#include "easel/base/error.h"
#include "easel/prompt/tokenizer.h"

// `statement` throws an Error with `code_wanted` and a message for which the gmock matcher holds.
#define EXPECT_ERROR_THAT(statement, code_wanted, matcher) \
  try {                                                    \
    static_cast<void>(statement);                          \
    ADD_FAILURE() << #statement " threw nothing";          \
  } catch (const ::easel::Error& error) {                  \
    EXPECT_EQ(error.code(), code_wanted);                  \
    EXPECT_THAT(std::string(error.what()), matcher);       \
  }
#define EXPECT_ERROR(statement, code, message) EXPECT_ERROR_THAT(statement, code, ::testing::Eq(std::string(message)))
#define EXPECT_ERROR_MATCHES(statement, code, regex) \
  EXPECT_ERROR_THAT(statement, code, ::testing::MatchesRegex(std::string(regex)))

namespace easel::testing {

inline std::filesystem::path vocabulary_path() {
  return std::filesystem::path(EASEL_SOURCE_DIR) / "assets" / "bpe_simple_vocab_16e6.txt.gz";
}

inline const Tokenizer& tokenizer() {
  static const Tokenizer tokenizer = Tokenizer::open(vocabulary_path());
  return tokenizer;
}

inline std::string read_binary(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

// A directory of this test's own, removed with all it holds.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "easel-prompt-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Processor time, which other programs on the machine hardly change.
template <typename Function>
double processor_seconds_of(Function function) {
  const std::clock_t start = std::clock();
  function();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

inline nlohmann::json read_golden_json(const std::string& name) {
  return nlohmann::json::parse(read_binary(std::filesystem::path(EASEL_SOURCE_DIR) / "tests" / "golden" / name));
}

// Text changed at a few places by bytes that the prompt grammar and UTF-8 care for; the same for the same seed.
class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    static constexpr std::string_view kPieces[] = {
        "(",     ")",     "[",  "]",       ":",     "|",        "\\",       ":1.3)", ":0.5]", ":3]",
        "BREAK", " AND ", "&",  "&#",      "&amp;", "\xCE\xA3", "\xCC\x81", "\xFF",  "\xC3",  "\xEF\xBC\x91",
        "'s",    " ",     "\n", "9999999", ".",     "-",        "\0x"};
    for (size_t edits = 1 + random_() % 6; edits > 0; --edits) {
      const size_t at = random_() % (text.size() + 1);
      switch (random_() % 3) {
        case 0: text.insert(at, kPieces[random_() % std::size(kPieces)]); break;
        case 1: text.erase(at, random_() % 4); break;
        default: text.insert(at, text.substr(random_() % (text.size() + 1), random_() % 16));
      }
    }
    return text;
  }

 private:
  std::mt19937 random_;
};

}  // namespace easel::testing
