// Where sampling starts beside noise: the latent of an image, a mask, and what the network sees of them. Private to
// easel/pipeline.
#pragma once

#include <optional>

#include "easel/pipeline/canvas.h"
#include "easel/pipeline/model.h"
#include "easel/sampling/noise.h"
#include "easel/sampling/sampler.h"

namespace easel {

// Of a batch of n images.
struct StartingPoint {
  Tensor noise;                          // [n, h, w, c]
  std::optional<Tensor> latent = {};     // of the initial image [n, h, w, c], scaled
  double strength = 1.0;                 // how much of it gives way to noise
  std::optional<Tensor> repaint = {};    // [n, h, w, c]: 1 is drawn anew, 0 stays as in `original`
  std::optional<Tensor> original = {};   // [n, h, w, c]: the latent before the mask was filled
  std::optional<Tensor> companion = {};  // [n, h, w, k]: what the network sees beside x
};

// pixels [1, height_px, width_px, 3] in [-1, 1] -> the distribution of its latent, unscaled [1, h, w, c]. Throws Error
// bad_checkpoint if it is not finite.
Posterior encode(const Model& model, const Tensor& pixels, const BlockObserver& observe = {});

// n samples of the posterior, scaled as the UNet sees latents: noise [n, h, w, c] -> [n, h, w, c]
Tensor sample_latent(const Model& model, const Posterior& posterior, const Tensor& noise);

// image -> [1, height_px, width_px, 3] in [-1, 1], with 0 where the mask is 128 or more
Tensor pixels_without_masked(const Image& image, const Mask& mask, const Device& device);

// The mask as the latent sees it, each value the mean of a square of pixels: -> [n, h, w, c] in [0, 1]
Tensor soft_latent_mask(const Mask& mask, const Shape& latent, const Device& device);

// The mask as inpainting networks see it, 1 where the first pixel of the square is 128 or more: -> [1, h, w, 1]
Tensor hard_latent_mask(const Mask& mask, const Shape& latent, const Device& device);

// The steps of a run from `strength` of noise on.
Plan plan_from(Convention convention, const Levels& levels, const Request& request, double strength);

// x [1, ...] -> [n, ...]; x [n, ...] as it is.
Tensor repeated(const Tensor& x, int64_t n);

}  // namespace easel
