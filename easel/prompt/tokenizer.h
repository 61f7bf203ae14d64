// The tokenizer of CLIP: a prompt becomes token ids, as SimpleTokenizer of openai/CLIP (with ftfy left out).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/prompt/bpe.h"

namespace easel {

inline constexpr int32_t kStartToken = 49406;
inline constexpr int32_t kEndToken = 49407;

// A token and the bytes [begin, end) of the prompt it was made from.
struct SourceToken {
  int32_t id;
  int64_t begin;
  int64_t end;
  bool starts_word;
};

class Tokenizer {
 public:
  // Reads the list of merges, `bpe_simple_vocab_16e6.txt.gz`. Throws Error, naming the file and the cure.
  static Tokenizer open(const std::filesystem::path& merges_gz);

  // The ids without start and end, however many. Throws Error invalid_request if the prompt is not UTF-8.
  std::vector<int32_t> encode(std::string_view prompt) const;
  std::vector<SourceToken> encode_with_source(std::string_view prompt) const;

  // The text of `ids` in lower case, words apart; always UTF-8. Throws Error invalid_request on an unknown id.
  std::string decode(std::span<const int32_t> ids) const;

 private:
  explicit Tokenizer(BytePairs pairs) : pairs_(std::move(pairs)) {}

  BytePairs pairs_;
};

}  // namespace easel
