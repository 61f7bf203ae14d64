// UNet: the network that predicts the noise (or v) in a latent (Ronneberger et al. 2015; Rombach et al. 2022).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "easel/nn/block_observer.h"
#include "easel/nn/embedding.h"
#include "easel/unet/unet_block.h"

namespace easel {

// Ways to do less than the whole network. The default does all of it.
struct UNetShortcuts {
  // DeepCache (Ma et al. 2023): what comes up from the blocks below changes little from step to step.
  struct DeepFeature {
    int64_t branch;                 // 0 to config().branches() - 1: how many blocks of the way down are computed
                                    // after input_blocks.0, and as many of the way up before the last one
    std::optional<Tensor> feature;  // what entered them from below: computed and kept if it is not there, else used
  };

  double token_merging_ratio = 0.0;  // of the self-attention at the finest level that has it
  DeepFeature* deep = nullptr;
};

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
  // steering: nothing, or what is added to each skip, in the order of the input blocks, and last to the middle
  // (ControlNet, Zhang et al. 2023). Where a deep feature is used: to the branch + 1 skips that are computed.
  Tensor operator()(const Tensor& x, std::span<const float> timesteps, const Conditioning& conditioning,
                    const BlockObserver& observe = {}, const UNetShortcuts& shortcuts = {},
                    std::span<const Tensor> steering = {}) const;

 private:
  // Nothing if no tokens are merged.
  std::optional<TokenMergingConfig> merging_for(const Tensor& x, std::span<const float> timesteps, double ratio) const;
  Tensor middle(const Tensor& x, const Tensor& time, const Conditioning& conditioning,
                const BlockObserver& observe) const;
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
