// UNet: the network that predicts the noise (or v) in a latent (Ronneberger et al. 2015; Rombach et al. 2022).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "easel/nn/block_observer.h"
#include "easel/nn/embedding.h"
#include "easel/unet/unet_block.h"

namespace easel {

class UNet {
 public:
  // What the network takes from the prompt (and the class labels). Computed once, as it is the same at every step.
  class Conditioning;

  // weights: "model.diffusion_model". Faults are noted there: end with weights.require_complete().
  explicit UNet(const Weights& weights) : UNet(weights, UNetConfig::from(weights)) {}
  UNet(const Weights& weights, const UNetConfig& config);

  const UNetConfig& config() const { return config_; }

  // context [n, t, context_width]; n class labels in [0, classes) if the network has classes, else none.
  Conditioning condition(const Tensor& context, std::span<const int32_t> class_labels = {}) const;

  // x [n, h, w, in_channels] with h and w multiples of config().size_divisor(), n timesteps (they may be fractional)
  // -> [n, h, w, out_channels]
  Tensor operator()(const Tensor& x, std::span<const float> timesteps, const Conditioning& conditioning,
                    const BlockObserver& observe = {}) const;

 private:
  std::vector<int64_t> add_input_blocks(const Weights& weights);
  void add_output_blocks(const Weights& weights, std::vector<int64_t> skip_channels);

  UNetConfig config_;
  Linear time_embed1_;
  Linear time_embed2_;
  std::optional<Embedding> label_embedding_;
  Conv2d conv_in_;
  std::vector<UNetBlock> input_blocks_;
  ResBlock middle_block1_;
  SpatialTransformer middle_transformer_;
  ResBlock middle_block2_;
  std::vector<UNetBlock> output_blocks_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

class UNet::Conditioning {
 public:
  const std::optional<Tensor>& class_embedding() const { return class_embedding_; }  // [n, time_width]

 private:
  friend class UNet;

  std::vector<UNetBlock::Prompt> input_;  // one per input block
  SpatialTransformer::Prompt middle_;
  std::vector<UNetBlock::Prompt> output_;  // one per output block
  std::optional<Tensor> class_embedding_;
};

}  // namespace easel
