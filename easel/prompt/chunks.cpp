#include "easel/prompt/chunks.h"

#include <algorithm>
#include <optional>

namespace easel {
namespace {

class Chunker {
 public:
  Chunker(int32_t comma, ChunkOptions options) : comma_(comma), options_(options) {}

  void add(int32_t token, float weight) {
    const bool was_full = open_.size() == kPromptTokens;
    if (was_full) end_full_chunk(token);
    // The web UI does not count a comma that opens a chunk because the one before was full.
    if (token == comma_ && !was_full) last_comma_ = open_.size();
    open_.push_back({.id = token, .weight = weight});
  }

  void add_learned(size_t word, int64_t count, float weight) {
    if (open_.size() + static_cast<size_t>(count) > kPromptTokens) end_chunk();
    for (int64_t i = 0; i < count; ++i) {
      open_.push_back(
          {.id = 0, .weight = weight, .first_of = i == 0 ? std::optional(word) : std::nullopt, .count = count});
    }
  }

  void end_chunk() {
    TokenChunk chunk{std::vector<int32_t>(kContextTokens, options_.pad_token),
                     std::vector<float>(kContextTokens, 1.0f)};
    chunk.ids.front() = kStartToken;
    std::ranges::transform(open_, chunk.ids.begin() + 1, &WeightedToken::id);
    std::ranges::transform(open_, chunk.weights.begin() + 1, &WeightedToken::weight);
    chunk.ids[open_.size() + 1] = kEndToken;
    for (size_t i = 0; i < open_.size(); ++i) {
      if (!open_[i].first_of) continue;
      chunk.learned.push_back(
          {.position = static_cast<int64_t>(i) + 1, .count = open_[i].count, .word = *open_[i].first_of});
    }
    chunks_.push_back(std::move(chunk));
    open_.clear();
    last_comma_.reset();
  }

  std::vector<TokenChunk> finish() {
    if (!open_.empty() || chunks_.empty()) end_chunk();
    return std::move(chunks_);
  }

 private:
  struct WeightedToken {
    int32_t id;
    float weight;
    std::optional<size_t> first_of = std::nullopt;  // the learned word whose first vector is here
    int64_t count = 1;                              // of its vectors
  };

  // Ends the chunk at its last comma if that is near; the tokens behind it go to the next chunk.
  void end_full_chunk(int32_t next_token) {
    const bool backtrack = next_token != comma_ && options_.comma_backtrack > 0 && last_comma_ &&
                           static_cast<int64_t>(open_.size() - *last_comma_) <= options_.comma_backtrack;
    std::vector<WeightedToken> moved;
    if (backtrack) {
      moved.assign(open_.begin() + static_cast<int64_t>(*last_comma_) + 1, open_.end());
      open_.resize(*last_comma_ + 1);
    }
    end_chunk();
    open_ = std::move(moved);
  }

  int32_t comma_;
  ChunkOptions options_;
  std::vector<TokenChunk> chunks_;
  std::vector<WeightedToken> open_;  // the chunk being filled
  std::optional<size_t> last_comma_;
};

void add_part(Chunker& chunker, std::span<const int32_t> tokens, float weight, const LearnedWords* words) {
  while (!tokens.empty()) {
    const auto match = words != nullptr ? words->match(tokens) : std::nullopt;
    if (match) {
      chunker.add_learned(match->word, words->vector_count(match->word), weight);
    } else {
      chunker.add(tokens.front(), weight);
    }
    tokens = tokens.subspan(match ? match->length : 1);
  }
}

}  // namespace

std::vector<TokenChunk> make_chunks(const Tokenizer& tokenizer, std::span<const WeightedText> parts,
                                    ChunkOptions options) {
  Chunker chunker(tokenizer.encode(",").front(), options);
  for (const WeightedText& part : parts) {
    if (is_break(part)) {
      chunker.end_chunk();
      continue;
    }
    add_part(chunker, tokenizer.encode(part.text), static_cast<float>(part.weight), options.learned_words);
  }
  return chunker.finish();
}

}  // namespace easel
