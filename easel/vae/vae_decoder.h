// VaeDecoder: an image from a latent (Kingma & Welling 2014; Rombach et al. 2022).
#pragma once

#include <vector>

#include "easel/vae/vae_blocks.h"
#include "easel/vae/vae_config.h"

namespace easel {

class VaeDecoder {
 public:
  // weights: "first_stage_model", of which `decoder` and `post_quant_conv` are read. Faults are noted there: end with
  // weights.require_complete().
  explicit VaeDecoder(const Weights& weights) : VaeDecoder(weights, VaeConfig::of_decoder(weights)) {}
  VaeDecoder(const Weights& weights, const VaeConfig& config);

  const VaeConfig& config() const { return config_; }

  // z [n, h, w, latent_channels], unscaled (the diffusion latent divided by its scale factor); in bands n is 1
  // -> [n, factor h, factor w, 3], nominally in [-1, 1]
  Tensor operator()(const Tensor& z, const BlockObserver& observe = {}) const;

 private:
  // The levels in bands. h [1, h, w, coarsest channels] -> [1, factor h, factor w, 3]
  Tensor in_bands(Tensor h, const BlockObserver& observe) const;

  struct Level {
    std::vector<VaeResBlock> blocks;
    std::optional<Conv2d> upsample;  // none on the finest level
  };

  VaeConfig config_;
  Linear post_quant_;
  Conv2d conv_in_;
  VaeMiddle middle_;
  std::vector<Level> levels_;  // "up", finest first
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

}  // namespace easel
