// TextEncoder: what the UNet is told of a prompt. CLIP's text encoder (Radford et al. 2021) as SD 1 has it (ViT-L) or
// OpenCLIP's as SD 2 has it (ViT-H).
#pragma once

#include <span>
#include <vector>

#include "easel/nn/embedding.h"
#include "easel/nn/norm.h"
#include "easel/text_encoder/text_transformer.h"

namespace easel {

enum class TextEncoderKind {
  clip,       // quick_gelu, all layers
  open_clip,  // gelu, all layers but the last
};

struct TextEncoderConfig {
  static constexpr int64_t kVocabulary = 49408;
  static constexpr int64_t kMaxTokens = 77;
  static constexpr int64_t kHeadWidth = 64;
  static constexpr int64_t kOpenClipWidth = 1024;  // of ViT-H

  TextEncoderKind kind = TextEncoderKind::clip;
  int64_t width = 768;
  int64_t layers = 12;
  int64_t mlp_width = 3072;

  int64_t heads() const { return width / kHeadWidth; }
  int64_t layers_used() const { return kind == TextEncoderKind::open_clip ? layers - 1 : layers; }

  // Reads the sizes off the weights ("cond_stage_model"). Throws Error bad_checkpoint.
  static TextEncoderConfig from(const Weights& weights);
};

// Vectors that stand in a prompt in the place of tokens' (textual inversion, Gal et al. 2022).
struct LearnedTokens {
  int64_t position;  // in the sequence
  Tensor vectors;    // [k, width]
};

class TextEncoder {
 public:
  // weights: "cond_stage_model". Faults are noted there: end with weights.require_complete().
  explicit TextEncoder(const Weights& weights) : TextEncoder(weights, TextEncoderConfig::from(weights)) {}
  TextEncoder(const Weights& weights, const TextEncoderConfig& config);

  const TextEncoderConfig& config() const { return config_; }

  // ids [n, t] i32, each in [0, kVocabulary), t <= kMaxTokens -> [n, t, width].
  // clip_skip leaves out so many more of the last layers; at least one layer is run. `learned`, for n = 1: in order and
  // without overlap; the ids there do not count.
  Tensor operator()(const Tensor& ids, int64_t clip_skip = 0, std::span<const LearnedTokens> learned = {}) const;

 private:
  TextEncoderConfig config_;
  Embedding token_embedding_;
  Embedding position_embedding_;
  std::vector<TextTransformer> layers_;  // those used
  LayerNorm final_norm_;
};

}  // namespace easel
