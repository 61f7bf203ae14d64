// VisionTransformer: the second half of the depth network's encoder (Dosovitskiy et al. 2021, "hybrid").
#pragma once

#include <vector>

#include "easel/depth/depth_config.h"
#include "easel/nn/block_observer.h"
#include "easel/nn/linear.h"
#include "easel/nn/norm.h"

namespace easel {

// Self-attention of all tokens and a perceptron, each behind a normalisation and beside a shortcut.
class VisionTransformerBlock {
 public:
  VisionTransformerBlock(const Weights& weights, int64_t width, int64_t mlp_width)
      : VisionTransformerBlock(weights, Linear(weights / "attn.qkv", width, 3 * width), width, mlp_width) {}
  // x [n, t, width] -> same
  Tensor operator()(const Tensor& x) const;

 private:
  VisionTransformerBlock(const Weights& weights, const Linear& qkv, int64_t width, int64_t mlp_width);

  int64_t heads_;
  LayerNorm norm1_;
  Linear q_, k_, v_;
  Linear attention_out_;
  LayerNorm norm2_;
  Linear mlp_in_;
  Linear mlp_out_;
};

class VisionTransformer {
 public:
  // weights: "depth_model.model.pretrained.model"
  VisionTransformer(const Weights& weights, const DepthConfig& config);

  // The class token, then a token for each pixel, row by row: [1, 1 + h w, width].
  struct Levels {
    Tensor middle;  // of the ninth block
    Tensor last;
  };
  // x [1, h, w, channels], each pixel a patch
  Levels operator()(const Tensor& x, const BlockObserver& observe) const;

 private:
  // The learned positions, interpolated to another size -> [1 + rows columns, width]
  Tensor positions(const Device& device, int64_t rows, int64_t columns) const;

  int64_t position_side_;
  Linear patch_;
  Parameter class_token_;  // [1, 1, width]
  Parameter positions_;    // [1, 1 + position_side^2, width]
  std::vector<VisionTransformerBlock> blocks_;
};

}  // namespace easel
