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
    open_.push_back({token, weight});
  }

  void end_chunk() {
    TokenChunk chunk{std::vector<int32_t>(kContextTokens, options_.pad_token),
                     std::vector<float>(kContextTokens, 1.0f)};
    chunk.ids.front() = kStartToken;
    std::ranges::transform(open_, chunk.ids.begin() + 1, &WeightedToken::id);
    std::ranges::transform(open_, chunk.weights.begin() + 1, &WeightedToken::weight);
    chunk.ids[open_.size() + 1] = kEndToken;
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

}  // namespace

std::vector<TokenChunk> make_chunks(const Tokenizer& tokenizer, std::span<const WeightedText> parts,
                                    ChunkOptions options) {
  Chunker chunker(tokenizer.encode(",").front(), options);
  for (const WeightedText& part : parts) {
    if (is_break(part)) {
      chunker.end_chunk();
      continue;
    }
    for (const int32_t token : tokenizer.encode(part.text)) chunker.add(token, static_cast<float>(part.weight));
  }
  return chunker.finish();
}

}  // namespace easel
