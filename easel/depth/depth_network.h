// DepthNetwork: how near each pixel of a picture is (MiDaS 3.0: Ranftl et al. 2020; DPT-hybrid: Ranftl et al. 2021).
#pragma once

#include "easel/depth/depth_config.h"
#include "easel/depth/fusion.h"
#include "easel/depth/resnet.h"
#include "easel/depth/vision_transformer.h"

namespace easel {

class DepthNetwork {
 public:
  static constexpr int64_t kSizeMultiplePx = 32;

  // weights: "depth_model.model". Faults are noted there: end with weights.require_complete().
  explicit DepthNetwork(const Weights& weights) : DepthNetwork(weights, DepthConfig::from(weights)) {}
  DepthNetwork(const Weights& weights, const DepthConfig& config);

  const DepthConfig& config() const { return config_; }

  // image [1, height, width, 3] in [-1, 1], sides multiples of kSizeMultiplePx
  // -> relative inverse depth [1, height, width, 1]: 0 or more, larger is nearer, up to an unknown factor and offset
  Tensor operator()(const Tensor& image, const BlockObserver& observe = {}) const;

 private:
  // What the encoder has found at 1/4, 1/8, 1/16 and 1/32 of the size: [1, rows, columns, features].
  struct Levels {
    Tensor quarter, eighth, sixteenth, thirty_second;
  };
  Levels encode(const Tensor& image, const BlockObserver& observe) const;
  // -> [1, height / 2, width / 2, features]
  Tensor decode(const Levels& levels, const BlockObserver& observe) const;

  DepthConfig config_;
  ResNet resnet_;
  VisionTransformer transformer_;
  Readout third_readout_, fourth_readout_;
  Conv2d fourth_downsample_;
  Conv2d level1_, level2_, level3_, level4_;  // "layerN_rn": to the decoder's channels
  FusionBlock fusion1_, fusion2_, fusion3_, fusion4_;
  Conv2d head_in_, head_middle_, head_out_;
};

}  // namespace easel
