// UNetBlock: one entry of `input_blocks` or `output_blocks`.
#pragma once

#include <optional>

#include "easel/nn/conv2d.h"
#include "easel/unet/res_block.h"
#include "easel/unet/spatial_transformer.h"
#include "easel/unet/unet_config.h"

namespace easel {

// Either a ResBlock, a transformer where the level has them and, as the last block of a level on the way up, an
// upsampling; or, between two levels on the way down, a downsampling alone.
class UNetBlock {
 public:
  using Prompt = SpatialTransformer::Prompt;  // empty if there is no transformer

  static UNetBlock residual(const Weights& weights, int64_t c_in, const UNetLevel& level, const UNetConfig& config);
  static UNetBlock residual_and_upsample(const Weights& weights, int64_t c_in, const UNetLevel& level,
                                         const UNetConfig& config);
  static UNetBlock downsample(const Weights& weights, int64_t channels, const UNetConfig& config);

  // context [n, s, context_width]
  Prompt read_prompt(const Tensor& context) const;
  // x [n, h, w, c_in], time_embedding [n, time_width] -> [n, h', w', c_out]. merging: as SpatialTransformer's.
  Tensor operator()(const Tensor& x, const Tensor& time_embedding, const Prompt& prompt,
                    const TokenMergingConfig* merging = nullptr) const;

 private:
  UNetBlock() = default;

  std::optional<ResBlock> res_block_;
  std::optional<SpatialTransformer> transformer_;
  std::optional<Conv2d> upsample_;
  std::optional<Conv2d> downsample_;
};

ResBlockConfig res_block_config(const UNetConfig& config, int64_t c_in, const UNetLevel& level);
TransformerConfig transformer_config(const UNetConfig& config, const UNetLevel& level);

}  // namespace easel
