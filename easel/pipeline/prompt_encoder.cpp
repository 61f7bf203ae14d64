#include "easel/pipeline/prompt_encoder.h"

#include "easel/base/error.h"
#include "easel/pipeline/finite.h"

namespace easel {
namespace {

int32_t pad_token(const TextEncoder& encoder) {
  return encoder.config().kind == TextEncoderKind::open_clip ? kOpenClipPadToken : kClipPadToken;
}

}  // namespace

void PromptEncoder::prepare(const Model& model, const Device& device, const std::vector<std::string>& prompts,
                            const Warn& warn) {
  for (const std::string& prompt : prompts) {
    const PromptTokens tokens = fit_to_context(tokenizer_, prompt, pad_token(model.text_encoder()));
    if (!tokens.cut_text.empty()) {
      warn(fmt::format("the prompt has {} tokens and {} fit; left out: \"{}\"", tokens.token_count, kPromptTokens,
                       tokens.cut_text));
    }
    if (knows(prompt)) continue;
    const Tensor ids = Tensor::from(device, {1, kContextTokens}, std::span<const int32_t>(tokens.ids));
    const Tensor encoded = model.text_encoder()(ids);  // [1, 77, width]
    if (!is_finite(encoded)) {
      throw Error(ErrorCode::bad_checkpoint,
                  "{}: the text encoder gives numbers that are not finite; the file is "
                  "damaged: download it again",
                  model.checkpoint().file());
    }
    encoded_.emplace(prompt, encoded);
  }
}

}  // namespace easel
