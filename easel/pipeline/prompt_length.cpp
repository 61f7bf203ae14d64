#include "easel/pipeline/prompt_length.h"

#include "easel/base/error.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/request.h"
#include "easel/prompt/prompt_tokens.h"
#include "easel/prompt/tokenizer.h"

namespace easel {

struct PromptRuler::State {
  Tokenizer tokenizer;
};

PromptRuler::PromptRuler() : state_(new State{Tokenizer::open(require_asset(kBpeMerges))}) {}

PromptRuler::~PromptRuler() = default;

PromptLength PromptRuler::measure(std::string_view prompt) const {
  if (prompt.size() > kMaxPromptBytes) {
    throw Error(ErrorCode::invalid_request, "the prompt has {} bytes, expected at most {}", prompt.size(),
                kMaxPromptBytes);
  }
  return {.tokens = static_cast<int64_t>(state_->tokenizer.encode(prompt).size()), .limit = kPromptTokens};
}

}  // namespace easel
