// Prompts of any length as chunks of 75 tokens with a weight each, cut as the AUTOMATIC1111 web UI does.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "easel/prompt/attention.h"
#include "easel/prompt/learned_words.h"
#include "easel/prompt/prompt_tokens.h"
#include "easel/prompt/tokenizer.h"

namespace easel {

// Vectors of a learned word in the place of tokens.
struct PlacedWord {
  int64_t position;  // of the first, in the chunk
  int64_t count;
  size_t word;  // of LearnedWords

  bool operator==(const PlacedWord&) const = default;
};

struct TokenChunk {
  std::vector<int32_t> ids;              // [77]: start, at most 75 tokens, end, padding
  std::vector<float> weights;            // [77]: 1 for start, end and padding
  std::vector<PlacedWord> learned = {};  // the ids there do not count
};

struct ChunkOptions {
  int32_t pad_token = kClipPadToken;
  // A chunk that is full ends at its last comma if at most this many tokens follow it; 0: always full chunks.
  int64_t comma_backtrack = 20;
  const LearnedWords* learned_words = nullptr;  // nullptr: none
};

// The chunks of `parts`, at least one; BREAK starts a new one. A learned word is not cut: one that does not fit into
// the chunk goes to the next.
std::vector<TokenChunk> make_chunks(const Tokenizer& tokenizer, std::span<const WeightedText> parts,
                                    ChunkOptions options = {});

}  // namespace easel
