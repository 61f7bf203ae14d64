// SpatialTransformer: the pixels of a feature map as tokens that look at each other and at the prompt.
#pragma once

#include <optional>
#include <vector>

#include "easel/nn/linear.h"
#include "easel/nn/norm.h"
#include "easel/unet/cross_attention.h"
#include "easel/unet/token_merging.h"

namespace easel {

struct TransformerConfig {
  int64_t width;
  int64_t context_width;
  int64_t heads;
  int64_t depth = 1;
  bool self_attention = true;  // false: attn1 looks at the prompt too
};

// Two linear layers, the first gated: GEGLU, Shazeer 2020.
class FeedForward {
 public:
  FeedForward(const Weights& weights, int64_t width);
  // x [n, t, width] -> same
  Tensor operator()(const Tensor& x, const LinearOptions& output = {}) const {
    return project_(ops::linear_geglu(x, gate_weight_, gate_bias_), output);
  }

 private:
  Parameter gate_weight_;  // [2 * 4 width, width]
  Parameter gate_bias_;    // [2 * 4 width]
  Linear project_;         // 4 width -> width
};

class TransformerBlock {
 public:
  struct Prompt {
    std::optional<CrossAttention::KeysValues> attn1;  // absent: self-attention
    CrossAttention::KeysValues attn2;
  };

  TransformerBlock(const Weights& weights, const TransformerConfig& config);
  // context [n, s, context_width]
  Prompt read_prompt(const Tensor& context) const;
  // x [n, t, width] -> same. merging: of the tokens of self-attention.
  Tensor operator()(const Tensor& x, const Prompt& prompt, const TokenMergingConfig* merging = nullptr) const;

 private:
  // a [n, t, width], normalised x -> x + attention
  Tensor look_at_itself(const Tensor& x, const Tensor& a, const TokenMergingConfig& merging) const;

  bool self_attention_;
  LayerNorm norm1_;
  CrossAttention attn1_;
  LayerNorm norm2_;
  CrossAttention attn2_;
  LayerNorm norm3_;
  FeedForward feed_forward_;
};

class SpatialTransformer {
 public:
  using Prompt = std::vector<TransformerBlock::Prompt>;

  SpatialTransformer(const Weights& weights, const TransformerConfig& config);
  // context [n, s, context_width]
  Prompt read_prompt(const Tensor& context) const;
  // x [n, h, w, width] -> same. merging: nothing, or one with the feature map's rows and columns.
  Tensor operator()(const Tensor& x, const Prompt& prompt, const TokenMergingConfig* merging = nullptr) const;

 private:
  GroupNorm norm_;
  Linear proj_in_;
  std::vector<TransformerBlock> blocks_;
  Linear proj_out_;
};

}  // namespace easel
