// The two normalisations of the networks.
#pragma once

#include "easel/checkpoint/weights.h"
#include "easel/ops/ops.h"

namespace easel {

// Wu & He 2018, over groups of channels and all pixels of an image, then an activation.
class GroupNorm {
 public:
  static constexpr int64_t kGroups = 32;

  GroupNorm(const Weights& weights, int64_t channels, float epsilon);
  // x [n, ..., channels] -> same
  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const {
    return ops::group_norm(x, weight_, bias_, kGroups, epsilon_, activation);
  }

  // The factors and summands [2, channels] by which it normalises an image with these sums.
  Tensor scales(const ops::ChannelSums& sums) const {
    return ops::group_norm_scales(sums, weight_, bias_, kGroups, epsilon_);
  }

 private:
  Parameter weight_;  // [channels]
  Parameter bias_;    // [channels]
  float epsilon_;
};

// Ba et al. 2016, over the last dimension.
class LayerNorm {
 public:
  LayerNorm(const Weights& weights, int64_t width, float epsilon = 1e-5f);
  // x [..., width] -> same
  Tensor operator()(const Tensor& x) const { return ops::layer_norm(x, weight_, bias_, epsilon_); }

 private:
  Parameter weight_;  // [width]
  Parameter bias_;    // [width]
  float epsilon_;
};

}  // namespace easel
