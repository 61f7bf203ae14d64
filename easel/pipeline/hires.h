// The second pass of the hires fix: the first picture, enlarged, is the initial image of another run. Private to
// easel/pipeline.
#pragma once

#include <functional>

#include "easel/pipeline/job_noise.h"
#include "easel/pipeline/latent.h"

namespace easel {

// The request of the second pass; nothing if there is none. request: with nothing left open.
std::optional<Request> hires_request(const Request& request);

// latent [n, h, w, c], drawn by the first pass -> where the second one starts. second: hires_request(). enlarge: makes
// an image of its size of one of the first pass's; if missing, the latent itself is resized.
StartingPoint hires_start(const Model& model, const Request& second, const Tensor& latent, JobNoise& noise,
                          const std::function<Image(const Image&)>& enlarge, const BlockObserver& observe = {});

}  // namespace easel
