// From noise and prompts to the latent of a batch. Private to easel/pipeline.
#pragma once

#include <span>

#include "easel/pipeline/control.h"
#include "easel/pipeline/model.h"
#include "easel/pipeline/prompt_encoder.h"
#include "easel/pipeline/request.h"
#include "easel/pipeline/starting_point.h"
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
  StartingPoint start;
  RngKind step_noise = RngKind::cpu;             // who draws the noise of the steps
  std::optional<Network> network = {};           // in the place of the model's own: it predicts the same
  std::optional<int64_t> first_pass_steps = {};  // of the pass before this one
  std::vector<Control> controls = {};
  int64_t rows_at_once = 0;  // that the network sees: 0 for all, or fewer where memory is short
};

// The steps that the task takes; none if the initial image stays as it is.
Plan plan_for(const LatentTask& task);

// -> the clean latent [n, h, w, c]. `noise` goes on where the start left it; `observe` sees every block of the network.
// Throws Error cancelled, and bad_checkpoint if the network gives numbers that are not finite.
Tensor draw_latent(const LatentTask& task, NoiseSource& noise, const SampleOptions& options,
                   const BlockObserver& observe = {});

// latent [1, h, w, c] -> the image [1, height_px, width_px, 3], nominally in [-1, 1]. Throws Error bad_checkpoint if
// the decoder gives numbers that are not finite.
Tensor decode_latent(const Model& model, const Tensor& latent, const BlockObserver& observe = {});
Tensor decode_latent(const TinyVaeDecoder& decoder, const Tensor& latent);

}  // namespace easel
