// The second pass of the hires fix: the first picture, enlarged, is the initial image of another run. Private to
// easel/pipeline.
#pragma once

#include "easel/pipeline/job_noise.h"
#include "easel/pipeline/latent.h"

namespace easel {

// The request of the second pass; nothing if there is none. request: with nothing left open.
std::optional<Request> hires_request(const Request& request);

// latent [n, h, w, c], drawn by the first pass -> where the second one starts. second: hires_request()
StartingPoint hires_start(const Model& model, const Request& second, const Tensor& latent, JobNoise& noise,
                          const BlockObserver& observe = {});

// Bilinear, as PyTorch's interpolate without align_corners or antialiasing. x [n, h, w, c] -> [n, rows, columns, c]
Tensor resize_bilinear(const Tensor& x, int64_t rows, int64_t columns);

}  // namespace easel
