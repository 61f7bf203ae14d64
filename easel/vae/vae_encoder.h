// VaeEncoder: the distribution of latents that an image may have come from (Kingma & Welling 2014).
#pragma once

#include <vector>

#include "easel/vae/vae_blocks.h"
#include "easel/vae/vae_config.h"

namespace easel {

// A normal distribution for each value of the latent, unscaled.
struct Posterior {
  Tensor mean;    // [n, h, w, latent_channels]
  Tensor logvar;  // the same, in [-30, 20]

  // mean + exp(logvar / 2) noise, where noise has the shape of the mean.
  Tensor sample(const Tensor& noise) const;
};

class VaeEncoder {
 public:
  // weights: "first_stage_model", of which `encoder` and `quant_conv` are read. Faults are noted there: end with
  // weights.require_complete().
  explicit VaeEncoder(const Weights& weights) : VaeEncoder(weights, VaeConfig::of_encoder(weights)) {}
  VaeEncoder(const Weights& weights, const VaeConfig& config);

  const VaeConfig& config() const { return config_; }

  // image [n, height, width, 3] in [-1, 1], sides multiples of the factor -> a latent of size height / factor; in bands
  // n is 1
  Posterior operator()(const Tensor& image, const BlockObserver& observe = {}) const;

 private:
  // The levels in bands. image [1, height, width, 3] -> [1, h, w, coarsest channels]
  Tensor in_bands(const Tensor& image, const BlockObserver& observe) const;
  Tensor whole(const Tensor& image, const BlockObserver& observe) const;

  struct Level {
    std::vector<VaeResBlock> blocks;
    std::optional<Conv2d> downsample;  // none on the coarsest level
  };

  VaeConfig config_;
  Conv2d conv_in_;
  std::vector<Level> levels_;  // "down", finest first
  VaeMiddle middle_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
  Linear quant_mean_;  // the two halves of quant_conv
  Linear quant_logvar_;
};

}  // namespace easel
