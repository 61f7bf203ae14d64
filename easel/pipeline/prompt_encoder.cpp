#include "easel/pipeline/prompt_encoder.h"

#include <algorithm>
#include <optional>

#include "easel/base/error.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/finite.h"
#include "easel/prompt/chunks.h"

namespace easel {
namespace {

int32_t pad_token(const TextEncoder& encoder) {
  return encoder.config().kind == TextEncoderKind::open_clip ? kOpenClipPadToken : kClipPadToken;
}

double mean_of(std::span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Each token's vector times its weight, scaled so that the mean of all numbers stays (AUTOMATIC1111).
// encoded [1, 77, width]
Tensor weighted(const Tensor& encoded, std::span<const float> weights) {
  if (std::all_of(weights.begin(), weights.end(), [](float weight) { return weight == 1.0f; })) return encoded;
  std::vector<float> values = encoded.values();
  const double before = mean_of(values);
  const auto width = static_cast<size_t>(encoded.dim(2));
  for (size_t i = 0; i < values.size(); ++i) values[i] *= weights[i / width];
  const auto restore = static_cast<float>(before / mean_of(values));
  for (float& value : values) value *= restore;
  return Tensor::from(encoded.device(), encoded.shape(), values);
}

}  // namespace

void PromptEncoder::prepare(const Model& model, const Device& device, const std::vector<std::string>& texts,
                            Options options, const Warn& warn) {
  if (!(options == options_)) forget();
  options_ = options;
  for (const std::string& text : texts) {
    // A plain text is looked at again for the warning.
    if (knows(text) && !options.plain) continue;
    const Tensor encoded =
        options.plain ? encode_plain(model, device, text, warn) : encode_weighted(model, device, text);
    encoded_.insert_or_assign(text, encoded);
  }
}

void PromptEncoder::set_words(const AdapterShelf& shelf, const Model& model) {
  if (embeddings_->refresh(shelf, tokenizer_, model.text_encoder().config().width)) forget();
}

Tensor PromptEncoder::run_encoder(const Model& model, const Device& device, std::span<const int32_t> ids,
                                  std::span<const LearnedTokens> learned) const {
  const Tensor encoded =
      model.text_encoder()(Tensor::from(device, {1, kContextTokens}, ids), options_.clip_skip - 1, learned);
  if (is_finite(encoded)) return encoded;
  throw Error(ErrorCode::bad_checkpoint,
              "{}: the text encoder gives numbers that are not finite; the file is damaged: download it again{}",
              model.checkpoint().file(), precision_hint(device));
}

Tensor PromptEncoder::encode_plain(const Model& model, const Device& device, const std::string& text,
                                   const Warn& warn) const {
  const PromptTokens tokens = fit_to_context(tokenizer_, text, pad_token(model.text_encoder()));
  if (!tokens.cut_text.empty()) {
    warn(fmt::format("the prompt has {} tokens and {} fit; left out: \"{}\"", tokens.token_count, kPromptTokens,
                     tokens.cut_text));
  }
  return knows(text) ? encoded_.at(text) : run_encoder(model, device, tokens.ids);
}

Tensor PromptEncoder::encode_weighted(const Model& model, const Device& device, const std::string& text) {
  const std::vector<WeightedText> parts = parse_attention(text);
  const std::vector<TokenChunk> chunks = make_chunks(
      tokenizer_, parts, {.pad_token = pad_token(model.text_encoder()), .learned_words = &embeddings_->words()});
  std::optional<Tensor> all;  // [77 chunks, width]
  for (const TokenChunk& chunk : chunks) {
    std::vector<LearnedTokens> learned;
    for (const PlacedWord& word : chunk.learned)
      learned.push_back({word.position, embeddings_->vectors(word.word, device)});
    const Tensor encoded = weighted(run_encoder(model, device, chunk.ids, learned), chunk.weights);
    const Tensor rows = encoded.reshape({kContextTokens, encoded.dim(2)});
    all = all ? ops::concat_batch(*all, rows) : rows;
  }
  return all->reshape({1, all->dim(0), all->dim(1)});
}

}  // namespace easel
