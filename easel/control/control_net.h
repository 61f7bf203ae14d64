// ControlNet: half a UNet that reads a picture of edges, depth or poses and steers the UNet (Zhang et al. 2023).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "easel/nn/block_observer.h"
#include "easel/nn/conv2d.h"
#include "easel/unet/unet_block.h"

namespace easel {

struct ControlNetConfig {
  UNetConfig half;                     // of the input blocks and the middle block; the rest does not count
  std::vector<int64_t> hint_channels;  // of the hint encoder's convolutions, the last of which meets the input
  std::vector<int64_t> out_channels;   // of what is added to each of the UNet's skips, and last to its middle

  // Reads the sizes off the weights ("control_model"). Throws Error bad_checkpoint.
  static ControlNetConfig from(const Weights& weights);
};

class ControlNet {
 public:
  // What the network takes from the prompt: the same at every step.
  class Conditioning {
    friend class ControlNet;
    std::vector<UNetBlock::Prompt> input_;
    SpatialTransformer::Prompt middle_;
  };

  // weights: "control_model". Faults are noted there: end with weights.require_complete().
  explicit ControlNet(const Weights& weights) : ControlNet(weights, ControlNetConfig::from(weights)) {}
  ControlNet(const Weights& weights, const ControlNetConfig& config);

  const ControlNetConfig& config() const { return config_; }

  // hint [1, 8 h, 8 w, 3], values in [0, 1] -> [1, h, w, c], the same at every step
  Tensor read_hint(const Tensor& hint) const;
  // context [n, t, context_width]
  Conditioning condition(const Tensor& context) const;

  // x [n, h, w, 4], n timesteps, hint: of read_hint() -> for each skip of the UNet [n, h', w', c'], and last for its
  // middle, what UNet::operator() adds
  // skips: only for so many, the outermost, and not for the middle. Nothing below them is computed.
  std::vector<Tensor> operator()(const Tensor& x, std::span<const float> timesteps, const Conditioning& conditioning,
                                 const Tensor& hint, const BlockObserver& observe = {},
                                 std::optional<int64_t> skips = std::nullopt) const;

 private:
  std::vector<int64_t> add_input_blocks(const Weights& weights);

  ControlNetConfig config_;
  std::vector<Conv2d> hint_convs_;
  Linear time_embed1_;
  Linear time_embed2_;
  Conv2d conv_in_;
  std::vector<UNetBlock> input_blocks_;
  ResBlock middle_block1_;
  SpatialTransformer middle_transformer_;
  ResBlock middle_block2_;
  std::vector<Linear> zero_convs_;  // 1x1; zero before training, hence their name
  Linear middle_out_;
};

}  // namespace easel
