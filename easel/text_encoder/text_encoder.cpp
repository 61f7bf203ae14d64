#include "easel/text_encoder/text_encoder.h"

#include <algorithm>
#include <numeric>

#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

// Names of Hugging Face's transformers, which SD 1 files have. Files that stable-diffusion.cpp converted have them for
// SD 2 as well, elsewhere that has OpenCLIP's.
bool has_hugging_face_names(const Weights& weights) { return weights.has("transformer.text_model"); }

TextTransformer::Parts hugging_face_parts(const Weights& layer, const TextEncoderConfig& config) {
  const int64_t width = config.width;
  const Weights attention = layer / "self_attn";
  return {.norm1 = LayerNorm(layer / "layer_norm1", width),
          .q = Linear(attention / "q_proj", width, width),
          .k = Linear(attention / "k_proj", width, width),
          .v = Linear(attention / "v_proj", width, width),
          .attention_out = Linear(attention / "out_proj", width, width),
          .norm2 = LayerNorm(layer / "layer_norm2", width),
          .mlp_in = Linear(layer / "mlp.fc1", width, config.mlp_width),
          .mlp_out = Linear(layer / "mlp.fc2", config.mlp_width, width)};
}

// The names of OpenCLIP, where one matrix makes q, k and v.
TextTransformer::Parts open_clip_parts(const Weights& layer, const TextEncoderConfig& config) {
  const int64_t width = config.width;
  const Weights attention = layer / "attn";
  const Linear qkv(attention.parameter("in_proj_weight", {3 * width, width}),
                   attention.parameter("in_proj_bias", {3 * width}));
  return {.norm1 = LayerNorm(layer / "ln_1", width),
          .q = qkv.outputs(0, width),
          .k = qkv.outputs(width, 2 * width),
          .v = qkv.outputs(2 * width, 3 * width),
          .attention_out = Linear(attention / "out_proj", width, width),
          .norm2 = LayerNorm(layer / "ln_2", width),
          .mlp_in = Linear(layer / "mlp.c_fc", width, config.mlp_width),
          .mlp_out = Linear(layer / "mlp.c_proj", config.mlp_width, width)};
}

Parameter token_table(const Weights& weights, const TextEncoderConfig& config) {
  const Shape shape{TextEncoderConfig::kVocabulary, config.width};
  return has_hugging_face_names(weights)
             ? weights.parameter("transformer.text_model.embeddings.token_embedding.weight", shape)
             : weights.parameter("model.token_embedding.weight", shape);
}

Parameter position_table(const Weights& weights, const TextEncoderConfig& config) {
  const Shape shape{TextEncoderConfig::kMaxTokens, config.width};
  return has_hugging_face_names(weights)
             ? weights.parameter("transformer.text_model.embeddings.position_embedding.weight", shape)
             : weights.parameter("model.positional_embedding", shape);
}

LayerNorm final_norm(const Weights& weights, const TextEncoderConfig& config) {
  const std::string_view name =
      has_hugging_face_names(weights) ? "transformer.text_model.final_layer_norm" : "model.ln_final";
  return LayerNorm(weights / name, config.width);
}

std::vector<TextTransformer> read_layers(const Weights& weights, const TextEncoderConfig& config) {
  const bool is_clip = config.kind == TextEncoderKind::clip;
  const Activation activation = is_clip ? Activation::quick_gelu : Activation::gelu;
  std::vector<TextTransformer> layers;
  for (int64_t i = 0; i < config.layers_used(); ++i) {
    const TextTransformer::Parts parts =
        has_hugging_face_names(weights)
            ? hugging_face_parts(weights / "transformer.text_model.encoder.layers" / i, config)
            : open_clip_parts(weights / "model.transformer.resblocks" / i, config);
    layers.emplace_back(parts, config.heads(), activation);
  }
  return layers;
}

// 0, 1, ..., t - 1 for each of n prompts -> [n, t]
Tensor positions(const Tensor& ids) {
  std::vector<int32_t> out(static_cast<size_t>(ids.count()));
  const int64_t tokens = ids.dim(1);
  for (auto row = out.begin(); row != out.end(); row += tokens) std::iota(row, row + tokens, 0);
  return Tensor::from(ids.device(), ids.shape(), std::span<const int32_t>(out));
}

// embedded [1, t, width] -> the same with other vectors where `learned` says
Tensor with_learned(const Tensor& embedded, std::span<const LearnedTokens> learned) {
  if (learned.empty()) return embedded;
  Tensor rows = embedded.reshape({embedded.dim(1), embedded.dim(2)});
  for (const LearnedTokens& word : learned) {
    const int64_t end = word.position + word.vectors.dim(0);
    rows =
        ops::concat_batch(ops::concat_batch(rows.slice(0, word.position), word.vectors), rows.slice(end, rows.dim(0)));
  }
  return rows.reshape(embedded.shape());
}

}  // namespace

TextEncoder::TextEncoder(const Weights& weights, const TextEncoderConfig& config)
    : config_(config),
      token_embedding_(token_table(weights, config)),
      position_embedding_(position_table(weights, config)),
      layers_(read_layers(weights, config)),
      final_norm_(final_norm(weights, config)) {}

Tensor TextEncoder::operator()(const Tensor& ids, int64_t clip_skip, std::span<const LearnedTokens> learned) const {
  const auto all = static_cast<int64_t>(layers_.size());
  const auto run = static_cast<size_t>(std::clamp<int64_t>(all - clip_skip, 1, all));
  Tensor x = with_learned(token_embedding_(ids), learned) + position_embedding_(positions(ids));  // [n, t, width]
  for (size_t i = 0; i < run; ++i) x = layers_[i](x);
  return final_norm_(x);
}

}  // namespace easel
