// Shared by the solvers of Karras et al. 2022: noise added on the way, and the slope dx/dsigma.
#pragma once

#include "easel/sampling/samplers.h"

namespace easel {

struct Churned {
  Tensor x;
  Level level;
};

// Raises the noise level a little by fresh noise, which is drawn even if it is not used (k-diffusion).
Churned churned(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s, const Churn& churn);

// dx/dsigma = (x - x0) / sigma = epsilon
Tensor slope_at(const Denoiser& denoise, const Tensor& x, const Level& level);

// exp((log a + log b) / 2)
double log_midpoint(double a, double b);

}  // namespace easel
