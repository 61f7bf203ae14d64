// A look at an image while it is made, for next to nothing. Private to easel/pipeline.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "easel/image/image.h"
#include "easel/pipeline/model.h"

namespace easel {

// A tiny VAE's picture where the model has one. Else: the colour of 8x8 pixels is nearly an affine function of their
// latent. Which one, a look at the model's own decoder tells at the first step: a small part of the latent is decoded,
// and least squares fit the colours.
class LatentPreview {
 public:
  // latent [n, h, w, c], an estimate of the clean one -> the first image; without a tiny VAE a pixel for each latent
  // position
  Image operator()(const Model& model, const Tensor& latent);

 private:
  static constexpr size_t kMaxChannels = 16;
  // A row for each colour: a factor for each latent channel, then a constant.
  using Projection = std::array<std::array<double, kMaxChannels + 1>, 3>;

  static Projection fitted(const Model& model, const Tensor& latent);

  std::optional<Projection> projection_;
};

}  // namespace easel
