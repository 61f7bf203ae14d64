#include "easel/prompt/learned_words.h"

#include <algorithm>

namespace easel {

LearnedWords::LearnedWords(const Tokenizer& tokenizer, const std::vector<std::string>& names,
                           std::function<int64_t(size_t word)> vector_count)
    : vector_count_(std::move(vector_count)) {
  for (const std::string& name : names) names_.push_back(tokenizer.encode(name));
}

std::optional<LearnedWords::Match> LearnedWords::match(std::span<const int32_t> tokens) const {
  std::optional<Match> longest;
  for (size_t word = 0; word < names_.size(); ++word) {
    const std::vector<int32_t>& name = names_[word];
    if (name.empty() || name.size() > tokens.size() || (longest && name.size() <= longest->length)) continue;
    if (std::ranges::equal(name, tokens.first(name.size()))) longest = {.word = word, .length = name.size()};
  }
  return longest;
}

}  // namespace easel
