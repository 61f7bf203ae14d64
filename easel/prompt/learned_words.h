// Words that stand for vectors of their own (textual inversion), found in prompts by their tokens, as the AUTOMATIC1111
// web UI does.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "easel/prompt/tokenizer.h"

namespace easel {

class LearnedWords {
 public:
  LearnedWords() = default;  // none
  // vector_count(i): vectors of names[i], asked when the word is used; 1 to 75.
  LearnedWords(const Tokenizer& tokenizer, const std::vector<std::string>& names,
               std::function<int64_t(size_t word)> vector_count);

  struct Match {
    size_t word;    // its index in `names`
    size_t length;  // tokens of its name
  };
  // The word with the longest name that `tokens` begin with.
  std::optional<Match> match(std::span<const int32_t> tokens) const;

  int64_t vector_count(size_t word) const { return vector_count_(word); }

 private:
  std::vector<std::vector<int32_t>> names_;
  std::function<int64_t(size_t word)> vector_count_;
};

}  // namespace easel
