// ResNet: the convolutional half of the depth network (He et al. 2016, with group normalisation and standardised
// weights: BiT, Kolesnikov et al. 2020).
#pragma once

#include <optional>
#include <vector>

#include "easel/depth/depth_config.h"
#include "easel/depth/standardized_conv2d.h"
#include "easel/nn/block_observer.h"
#include "easel/nn/norm.h"

namespace easel {

inline constexpr float kResNetEpsilon = 1e-5f;  // of every group normalisation

// A 3x3 convolution on a quarter of the channels, between two 1x1 convolutions, and a shortcut.
class BottleneckBlock {
 public:
  // Where `projects`, the shortcut is a convolution too.
  BottleneckBlock(const Weights& weights, int64_t c_in, int64_t c_out, int64_t stride, bool projects);
  // x [n, h, w, c_in] -> [n, h / stride, w / stride, c_out]
  Tensor operator()(const Tensor& x) const;

 private:
  struct Projection {
    StandardizedConv2d conv;
    GroupNorm norm;
  };

  StandardizedConv2d conv1_;
  GroupNorm norm1_;
  StandardizedConv2d conv2_;
  GroupNorm norm2_;
  StandardizedConv2d conv3_;
  GroupNorm norm3_;
  std::optional<Projection> shortcut_;
};

class ResNet {
 public:
  // weights: "depth_model.model.pretrained.model.patch_embed.backbone"
  ResNet(const Weights& weights, const DepthConfig& config);

  struct Features {
    Tensor quarter;    // [n, h / 4, w / 4, stage_channels[0]]
    Tensor eighth;     // [n, h / 8, w / 8, stage_channels[1]]
    Tensor sixteenth;  // [n, h / 16, w / 16, stage_channels[2]]
  };
  // image [n, h, w, 3], h and w multiples of 16
  Features operator()(const Tensor& image, const BlockObserver& observe) const;

 private:
  Tensor run_stage(size_t stage, Tensor x, const BlockObserver& observe) const;

  StandardizedConv2d stem_conv_;
  GroupNorm stem_norm_;
  std::vector<std::vector<BottleneckBlock>> stages_;
};

}  // namespace easel
