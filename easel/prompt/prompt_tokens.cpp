#include "easel/prompt/prompt_tokens.h"

#include <algorithm>

namespace easel {
namespace {

// The prompt from the first word on that did not fit whole.
std::string cut_text(std::string_view prompt, const std::vector<SourceToken>& tokens) {
  if (tokens.size() <= kPromptTokens) return {};
  auto first = tokens.begin() + kPromptTokens;
  while (!first->starts_word) --first;
  return std::string(prompt.substr(first->begin, tokens.back().end - first->begin));
}

}  // namespace

PromptTokens fit_to_context(const Tokenizer& tokenizer, std::string_view prompt, int32_t pad_token) {
  const std::vector<SourceToken> tokens = tokenizer.encode_with_source(prompt);
  const size_t kept = std::min<size_t>(tokens.size(), kPromptTokens);
  std::vector<int32_t> ids(kContextTokens, pad_token);
  ids.front() = kStartToken;
  std::transform(tokens.begin(), tokens.begin() + kept, ids.begin() + 1, [](const SourceToken& t) { return t.id; });
  ids[kept + 1] = kEndToken;
  return {std::move(ids), static_cast<int64_t>(tokens.size()), cut_text(prompt, tokens)};
}

}  // namespace easel
