// ImageStart: what an image-to-image job starts its batches from. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/canvas.h"
#include "easel/pipeline/job_noise.h"
#include "easel/pipeline/starting_point.h"

namespace easel {

class ImageStart {
 public:
  // Encodes the canvas, once for all batches. request: with nothing left open; its task is not txt2img.
  ImageStart(const Model& model, const Device& device, const Request& request, Canvas canvas,
             const BlockObserver& observe = {});

  const Canvas& canvas() const { return canvas_; }

  // latent: the shape of a batch's, [n, h, w, c]
  StartingPoint begin(JobNoise& noise, const Shape& latent) const;

 private:
  std::optional<Tensor> companion(const Tensor& image_noise) const;
  Tensor filled(const Tensor& image, JobNoise& noise, const Shape& latent) const;

  const Model& model_;
  const Device& device_;
  const Request& request_;
  Canvas canvas_;
  std::optional<Posterior> image_;     // of the whole canvas
  std::optional<Posterior> unmasked_;  // of what an inpainting network may see
  std::optional<Tensor> depth_;        // [1, h, w, 1], of what a depth network sees
};

}  // namespace easel
