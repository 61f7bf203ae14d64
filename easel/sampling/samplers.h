// The solvers without exponentials. Each is one step of its paper, in sigma space.
#pragma once

#include <deque>
#include <limits>

#include "easel/sampling/sampler.h"

namespace easel {

// Split of a step into a deterministic part that ends at sigma `down` and noise of std `up`: down^2 + up^2 = next^2.
struct AncestralStep {
  double down;
  double up;
};
AncestralStep ancestral_step(double sigma, double sigma_next, double eta);

// DDIM: Song et al. 2021, eq. 12. Draws noise at every step, even when eta is 0, as CompVis does.
class DdimSampler : public Sampler {
 public:
  explicit DdimSampler(double eta = 0.0) : eta_(eta) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  double eta_;
};

// PLMS: Liu et al. 2022 (PNDM), linear multistep of order 4 on raw network outputs; two network calls in the first
// step.
class PlmsSampler : public Sampler {
 public:
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  std::deque<Tensor> history_;  // newest first, at most 3
};

// Noise added on the way: Karras et al. 2022, algorithm 2.
struct Churn {
  double s_churn = 0.0;
  double s_tmin = 0.0;
  double s_tmax = std::numeric_limits<double>::infinity();
  double s_noise = 1.0;
};

class EulerSampler : public Sampler {
 public:
  explicit EulerSampler(const Churn& churn = {}) : churn_(churn) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  Churn churn_;
};

class EulerAncestralSampler : public Sampler {
 public:
  explicit EulerAncestralSampler(double eta = 1.0, double s_noise = 1.0) : eta_(eta), s_noise_(s_noise) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  double eta_;
  double s_noise_;
};

// Heun's method: Karras et al. 2022, algorithm 2.
class HeunSampler : public Sampler {
 public:
  explicit HeunSampler(const Churn& churn = {}) : churn_(churn) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  Churn churn_;
};

// The midpoint method in log sigma: DPM-Solver-2 as k-diffusion has it.
class Dpm2Sampler : public Sampler {
 public:
  explicit Dpm2Sampler(const Churn& churn = {}) : churn_(churn) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  Churn churn_;
};

class Dpm2AncestralSampler : public Sampler {
 public:
  explicit Dpm2AncestralSampler(double eta = 1.0, double s_noise = 1.0) : eta_(eta), s_noise_(s_noise) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  double eta_;
  double s_noise_;
};

// Linear multistep (Adams-Bashforth) in sigma.
class LmsSampler : public Sampler {
 public:
  explicit LmsSampler(int order = 4) : order_(order) {}  // 1 to 4
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  struct Past {
    Tensor slope;
    double sigma;
  };
  int order_;
  std::deque<Past> history_;  // newest first, this step's included
};

// Second-order DPM-Solver++ in single steps with ancestral noise.
class Dpmpp2sAncestralSampler : public Sampler {
 public:
  explicit Dpmpp2sAncestralSampler(double eta = 1.0, double s_noise = 1.0) : eta_(eta), s_noise_(s_noise) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  double eta_;
  double s_noise_;
};

// Stochastic DPM-Solver++ with a second evaluation at the fraction r of the step.
class DpmppSdeSampler : public Sampler {
 public:
  explicit DpmppSdeSampler(double eta = 1.0, double s_noise = 1.0, double r = 0.5)
      : eta_(eta), s_noise_(s_noise), r_(r) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  double eta_;
  double s_noise_;
  double r_;
};

// Latent consistency: Luo et al. 2023. Its boundary scalings differ from 1 and 0 by less than 1e-5 and are left out.
class LcmSampler : public Sampler {
 public:
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;
};

// Trajectory consistency: Zheng et al. 2024, with gamma as `eta`.
class TcdSampler : public Sampler {
 public:
  explicit TcdSampler(double eta = 0.3) : eta_(eta) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  double eta_;
};

}  // namespace easel
