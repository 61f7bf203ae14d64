// A prompt cut to the 77 positions that CLIP was trained with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "easel/prompt/tokenizer.h"

namespace easel {

inline constexpr int64_t kContextTokens = 77;                 // with start and end
inline constexpr int64_t kPromptTokens = kContextTokens - 2;  // those of the prompt itself
inline constexpr int32_t kClipPadToken = kEndToken;           // CLIP ViT-L/14, Stable Diffusion 1
inline constexpr int32_t kOpenClipPadToken = 0;               // OpenCLIP ViT-H/14, Stable Diffusion 2

struct PromptTokens {
  std::vector<int32_t> ids;  // [77]: start, at most 75 tokens, end, padding
  int64_t token_count;       // of the whole prompt, without start and end
  std::string cut_text;      // the words that did not fit, as typed; empty if all did
};

PromptTokens fit_to_context(const Tokenizer& tokenizer, std::string_view prompt, int32_t pad_token);

}  // namespace easel
