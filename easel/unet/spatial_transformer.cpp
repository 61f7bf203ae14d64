#include "easel/unet/spatial_transformer.h"

#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

constexpr float kGroupNormEpsilon = 1e-6f;  // the res blocks around have 1e-5
constexpr int64_t kExpansion = 4;

}  // namespace

FeedForward::FeedForward(const Weights& weights, int64_t width)
    : gate_weight_(weights.parameter("net.0.proj.weight", {2 * kExpansion * width, width})),
      gate_bias_(weights.parameter("net.0.proj.bias", {2 * kExpansion * width})),
      project_(weights / "net.2", kExpansion * width, width) {}

TransformerBlock::TransformerBlock(const Weights& weights, const TransformerConfig& config)
    : self_attention_(config.self_attention),
      norm1_(weights / "norm1", config.width),
      attn1_(weights / "attn1", {.width = config.width,
                                 .context_width = config.self_attention ? config.width : config.context_width,
                                 .heads = config.heads}),
      norm2_(weights / "norm2", config.width),
      attn2_(weights / "attn2", {.width = config.width, .context_width = config.context_width, .heads = config.heads}),
      norm3_(weights / "norm3", config.width),
      feed_forward_(weights / "ff", config.width) {}

TransformerBlock::Prompt TransformerBlock::read_prompt(const Tensor& context) const {
  Prompt prompt{.attn1 = std::nullopt, .attn2 = attn2_.keys_values(context)};
  if (!self_attention_) prompt.attn1 = attn1_.keys_values(context);
  return prompt;
}

Tensor TransformerBlock::look_at_itself(const Tensor& x, const Tensor& a, const TokenMergingConfig& merging) const {
  const TokenMerging tokens(x, merging);
  const Tensor merged = tokens.merge(a);  // [n, fewer, width]
  return x + tokens.unmerge(attn1_(merged, attn1_.keys_values(merged)));
}

Tensor TransformerBlock::operator()(const Tensor& x, const Prompt& prompt, const TokenMergingConfig* merging) const {
  const Tensor a = norm1_(x);
  const Tensor h1 = merging != nullptr && !prompt.attn1
                        ? look_at_itself(x, a, *merging)
                        : attn1_(a, prompt.attn1 ? *prompt.attn1 : attn1_.keys_values(a), {.residual = x});
  const Tensor h2 = attn2_(norm2_(h1), prompt.attn2, {.residual = h1});
  return feed_forward_(norm3_(h2), {.residual = h2});
}

SpatialTransformer::SpatialTransformer(const Weights& weights, const TransformerConfig& config)
    : norm_(weights / "norm", config.width, kGroupNormEpsilon),
      proj_in_(weights / "proj_in", config.width, config.width),
      proj_out_(weights / "proj_out", config.width, config.width) {
  for (int64_t i = 0; i < config.depth; ++i) blocks_.emplace_back(weights / "transformer_blocks" / i, config);
}

SpatialTransformer::Prompt SpatialTransformer::read_prompt(const Tensor& context) const {
  Prompt prompt;
  for (const TransformerBlock& block : blocks_) prompt.push_back(block.read_prompt(context));
  return prompt;
}

Tensor SpatialTransformer::operator()(const Tensor& x, const Prompt& prompt, const TokenMergingConfig* merging) const {
  Tensor tokens = proj_in_(norm_(x)).reshape({x.dim(0), x.dim(1) * x.dim(2), x.dim(3)});  // [n, h w, width]
  for (size_t i = 0; i < blocks_.size(); ++i) tokens = blocks_[i](tokens, prompt[i], merging);
  return proj_out_(tokens.reshape(x.shape()), {.residual = x});
}

}  // namespace easel
