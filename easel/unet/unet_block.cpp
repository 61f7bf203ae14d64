#include "easel/unet/unet_block.h"

namespace easel {

ResBlockConfig res_block_config(const UNetConfig& config, int64_t c_in, const UNetLevel& level) {
  return {.c_in = c_in, .c_out = level.channels, .d_time = config.time_width(), .padding = config.padding};
}

TransformerConfig transformer_config(const UNetConfig& config, const UNetLevel& level) {
  return {.width = level.channels,
          .context_width = config.context_width,
          .heads = config.heads(level.channels),
          .depth = config.transformer_depth,
          .self_attention = level.self_attention};
}

UNetBlock UNetBlock::residual(const Weights& weights, int64_t c_in, const UNetLevel& level, const UNetConfig& config) {
  UNetBlock block;
  block.res_block_.emplace(weights / 0, res_block_config(config, c_in, level));
  if (level.has_transformers) block.transformer_.emplace(weights / 1, transformer_config(config, level));
  return block;
}

UNetBlock UNetBlock::residual_and_upsample(const Weights& weights, int64_t c_in, const UNetLevel& level,
                                           const UNetConfig& config) {
  UNetBlock block = residual(weights, c_in, level, config);
  const int64_t index = block.transformer_ ? 2 : 1;
  block.upsample_.emplace(weights / index / "conv", level.channels, level.channels, window_3x3(config.padding));
  return block;
}

UNetBlock UNetBlock::downsample(const Weights& weights, int64_t channels, const UNetConfig& config) {
  UNetBlock block;
  Window window = window_3x3(config.padding);
  window.stride = 2;
  block.downsample_.emplace(weights / "0.op", channels, channels, window);
  return block;
}

UNetBlock::Prompt UNetBlock::read_prompt(const Tensor& context) const {
  return transformer_ ? transformer_->read_prompt(context) : Prompt{};
}

Tensor UNetBlock::operator()(const Tensor& x, const Tensor& time_embedding, const Prompt& prompt,
                             const TokenMergingConfig* merging) const {
  if (downsample_) return (*downsample_)(x);
  Tensor h = (*res_block_)(x, time_embedding);
  if (transformer_) h = (*transformer_)(h, prompt, merging);
  if (upsample_) h = (*upsample_)(ops::upsample_nearest_2x(h));
  return h;
}

}  // namespace easel
