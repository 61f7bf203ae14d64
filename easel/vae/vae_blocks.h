// What the two halves of the VAE are built of (Rombach et al. 2022, appendix G; Esser et al. 2021).
#pragma once

#include <optional>
#include <string_view>

#include "easel/nn/block_observer.h"
#include "easel/nn/conv2d.h"
#include "easel/nn/linear.h"
#include "easel/nn/norm.h"

namespace easel {

inline constexpr float kVaeEpsilon = 1e-6f;  // of every group normalisation

// Two convolutions around a shortcut.
class VaeResBlock {
 public:
  VaeResBlock(const Weights& weights, int64_t c_in, int64_t c_out, PaddingMode padding);
  // x [n, h, w, c_in] -> [n, h, w, c_out]
  Tensor operator()(const Tensor& x) const;

 private:
  GroupNorm norm1_;
  Conv2d conv1_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Linear> shortcut_;  // where the channels change
};

// Self-attention of the pixels with a single head, and a shortcut.
class VaeAttention {
 public:
  VaeAttention(const Weights& weights, int64_t channels);
  // x [n, h, w, channels] -> same
  Tensor operator()(const Tensor& x) const;

 private:
  GroupNorm norm_;
  Linear q_;
  Linear k_;
  Linear v_;
  Linear proj_out_;
};

// The blocks at the lowest resolution: "decoder.mid" and "encoder.mid".
class VaeMiddle {
 public:
  VaeMiddle(const Weights& weights, int64_t channels, PaddingMode padding);
  // x [n, h, w, channels] -> same. `path` ("decoder.mid") is told to the observer.
  Tensor operator()(const Tensor& x, std::string_view path, const BlockObserver& observe) const;

 private:
  VaeResBlock block1_;
  VaeAttention attention_;
  VaeResBlock block2_;
};

}  // namespace easel
