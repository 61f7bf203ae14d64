// From noise and prompts to the latent of a batch. Private to easel/pipeline.
#pragma once

#include <span>

#include "easel/pipeline/model.h"
#include "easel/pipeline/prompt_encoder.h"
#include "easel/pipeline/request.h"
#include "easel/sampling/noise.h"
#include "easel/sampling/sampler.h"

namespace easel {

// [n, h, w, c] of a batch of n images
Shape latent_shape(const Model& model, const Request& request, int64_t n);

// What sampling needs to know of a batch. The request has nothing left open, and all prompts are encoded.
struct LatentTask {
  const Model& model;
  const PromptEncoder& prompts;
  const Request& request;
  std::span<const PlannedImage> batch;
};

// start_noise [n, h, w, c], from which `noise` goes on -> the clean latent [n, h, w, c]. `observe` sees every block of
// the network. Throws Error cancelled, and bad_checkpoint if the network gives numbers that are not finite.
Tensor draw_latent(const LatentTask& task, const Tensor& start_noise, NoiseSource& noise, const SampleOptions& options,
                   const BlockObserver& observe = {});

// latent [1, h, w, c] -> the image [1, height_px, width_px, 3], nominally in [-1, 1]. Throws Error bad_checkpoint if
// the decoder gives numbers that are not finite.
Tensor decode_latent(const Model& model, const Tensor& latent, const BlockObserver& observe = {});

}  // namespace easel
