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

}  // namespace easel
