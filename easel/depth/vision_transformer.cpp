#include "easel/depth/vision_transformer.h"

#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

constexpr float kEpsilon = 1e-6f;  // of every layer normalisation
constexpr size_t kMiddleBlock = 8;
constexpr const char* kPath = "pretrained.model";

}  // namespace

VisionTransformerBlock::VisionTransformerBlock(const Weights& weights, const Linear& qkv, int64_t width,
                                               int64_t mlp_width)
    : heads_(width / DepthConfig::kHeadDim),
      norm1_(weights / "norm1", width, kEpsilon),
      q_(qkv.outputs(0, width)),
      k_(qkv.outputs(width, 2 * width)),
      v_(qkv.outputs(2 * width, 3 * width)),
      attention_out_(weights / "attn.proj", width, width),
      norm2_(weights / "norm2", width, kEpsilon),
      mlp_in_(weights / "mlp.fc1", width, mlp_width),
      mlp_out_(weights / "mlp.fc2", mlp_width, width) {}

Tensor VisionTransformerBlock::operator()(const Tensor& x) const {
  const Tensor a = norm1_(x);
  const Tensor h = attention_out_(ops::attention(q_(a), k_(a), v_(a), {.heads = heads_}), {.residual = x});
  return mlp_out_(mlp_in_(norm2_(h), {.activation = Activation::gelu}), {.residual = h});
}

VisionTransformer::VisionTransformer(const Weights& weights, const DepthConfig& config)
    : position_side_(config.position_side),
      patch_(weights / "patch_embed.proj", config.stage_channels.back(), config.width),
      class_token_(weights.parameter("cls_token", {1, 1, config.width})),
      positions_(weights.parameter("pos_embed", {1, 1 + config.position_side * config.position_side, config.width})) {
  for (int64_t i = 0; i < DepthConfig::kTransformers; ++i) {
    blocks_.emplace_back(weights / "blocks" / i, config.width, config.mlp_width);
  }
}

Tensor VisionTransformer::positions(const Device& device, int64_t rows, int64_t columns) const {
  const int64_t side = position_side_;
  const int64_t width = positions_.shape().dim(2);
  const std::vector<float> values = positions_.values();
  const Tensor learned = Tensor::from(device, {1 + side * side, width}, std::span<const float>(values));
  const Tensor grid = learned.slice(1, 1 + side * side).reshape({1, side, side, width});
  const Tensor fitted = ops::resize(grid, rows, columns);  // [1, rows, columns, width]
  return ops::concat_batch(learned.slice(0, 1), fitted.reshape({rows * columns, width}));
}

VisionTransformer::Levels VisionTransformer::operator()(const Tensor& x, const BlockObserver& observe) const {
  const int64_t patches = x.dim(1) * x.dim(2);
  const Tensor embedded = observed(observe, patch_(x), "{}.patch_embed.proj", kPath);  // [1, h, w, width]
  const int64_t width = embedded.dim(3);
  const std::vector<float> class_values = class_token_.values();
  const Tensor class_token = Tensor::from(x.device(), {1, width}, std::span<const float>(class_values));
  const Tensor rows = ops::concat_batch(class_token, embedded.reshape({patches, width}));
  Tensor tokens = (rows + positions(x.device(), x.dim(1), x.dim(2))).reshape({1, 1 + patches, width});
  Tensor middle = tokens;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    tokens = observed(observe, blocks_[i](tokens), "{}.blocks.{}", kPath, i);
    if (i == kMiddleBlock) middle = tokens;
  }
  return {.middle = middle, .last = tokens};
}

}  // namespace easel
