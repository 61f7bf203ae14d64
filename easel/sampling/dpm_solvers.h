// The exponential integrators: DPM-Solver, DPM-Solver++ and UniPC. lambda = -log sigma, h = lambda_next - lambda.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "easel/sampling/sampler.h"

namespace easel {

struct DpmMultistepOptions {
  enum class Correction { midpoint, heun };  // how the first difference is weighted in a step of order 2
  int order = 2;                             // 1 to 3
  bool predict_noise = false;                // DPM-Solver (epsilon) instead of DPM-Solver++ (x0)
  double eta = 0.0;                          // share of fresh noise: 0 is the ODE, 1 the reverse SDE
  double s_noise = 1.0;
  Correction correction = Correction::midpoint;
  bool lower_order_final = true;  // below 15 steps the last steps use what order is left
  bool euler_at_final = false;
};

// DPM-Solver++ and DPM-Solver, multistep: Lu et al. 2022 (arXiv 2206.00927, 2211.01095). A step to sigma 0 is of
// order 1.
class DpmMultistepSampler : public Sampler {
 public:
  explicit DpmMultistepSampler(const DpmMultistepOptions& options = {}) : options_(options) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  struct Past {
    Tensor model;  // x0 or epsilon
    double lambda;
  };
  int order_of(const Step& s) const;

  DpmMultistepOptions options_;
  std::deque<Past> history_;  // newest first, at most 3, this step's included
};

struct UniPcOptions {
  enum class Scale { bh1, bh2 };  // B(h) = h or exp(h) - 1
  int order = 2;                  // of the predictor, 1 to 3
  Scale scale = Scale::bh2;
  bool predict_noise = false;
  bool lower_order_final = true;
  std::vector<int64_t> uncorrected_steps = {};  // steps whose result is not corrected
};

// Predictor and corrector from the same differences; the corrector costs no evaluation: Zhao et al. 2023.
class UniPcSampler : public Sampler {
 public:
  explicit UniPcSampler(UniPcOptions options = {}) : options_(std::move(options)) {}
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  struct Past {
    Tensor model;  // x0 or epsilon
    double lambda;
  };
  Tensor update(const Tensor& x, double sigma, double sigma_next, int order, const Tensor* model_next) const;

  UniPcOptions options_;
  std::deque<Past> history_;  // newest first, at most 3
  std::optional<Tensor> last_x_;
  double last_sigma_ = 0.0;
  int last_order_ = 1;
};

// DPM-Solver-1, -2 and -3 in single steps: Lu et al. 2022a, algorithms 1 and 2. Evaluations are shared between orders.
class SingleStepSolver {
 public:
  SingleStepSolver(const Denoiser& denoise, const Tensor& x, double sigma, double sigma_next);
  Tensor first() const;
  Tensor second(double r1);
  Tensor third();

 private:
  double sigma_after(double fraction) const;  // of the step, in lambda
  const Tensor& epsilon_after(double r1);     // the first inner evaluation

  const Denoiser& denoise_;
  Tensor x_;
  double sigma_, sigma_next_, h_;
  Tensor epsilon_;
  std::optional<Tensor> epsilon_r1_;
};

// As many evaluations as there are steps, in single steps of order 3, and of lower order at the end. Ends at sigma_min.
class DpmFastSampler : public Sampler {
 public:
  explicit DpmFastSampler(double eta = 0.0, double s_noise = 1.0) : eta_(eta), s_noise_(s_noise) {}
  std::vector<Step> steps(const std::vector<Step>& scheduled, const NoiseSchedule& trained) override;
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  double eta_;
  double s_noise_;
  std::vector<int> orders_;
  double sigma_min_ = 0.0;
};

struct DpmAdaptiveOptions {
  int order = 3;  // 2 or 3
  double rtol = 0.05;
  double atol = 0.0078;
  double h_init = 0.05;
  double pcoeff = 0.0, icoeff = 1.0, dcoeff = 0.0;
  double accept_safety = 0.81;
  double eta = 0.0;
  double s_noise = 1.0;
};

// Chooses its own steps by an error estimate over the whole batch; the scheduled ones only pace the progress reports.
// Ends at the lowest scheduled sigma above 0.
class DpmAdaptiveSampler : public Sampler {
 public:
  explicit DpmAdaptiveSampler(const DpmAdaptiveOptions& options = {}) : options_(options) {}
  std::vector<Step> steps(const std::vector<Step>& scheduled, const NoiseSchedule& trained) override;
  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override;

 private:
  void trial(const Denoiser& denoise, NoiseSource& noise);
  bool accepts(double error);  // and chooses the next h: a PID controller

  DpmAdaptiveOptions options_;
  double lambda_end_ = 0.0;
  double lambda_ = 0.0;
  double h_ = 0.0;
  std::optional<Tensor> x_, x_low_;
  std::vector<double> inverse_errors_;  // newest first, 3
};

}  // namespace easel
