// Runs a sampler on the analytic model of tests/golden/samplers and keeps what the references recorded.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "easel/backend/devices.h"
#include "easel/sampling/sampler.h"
#include "tests/sampling/golden_data.h"

namespace easel::testing {

// Tensors are [1, 8, 8, 4].
inline const Shape kLatentShape{1, 8, 8, 4};

class AnalyticModel {
 public:
  AnalyticModel();

  // The prediction of a network for data distributed N(m, c) per element. `sigma_of`: the noise level that the network
  // takes the input to have.
  Network network(Prediction prediction, std::function<double(const Level&)> sigma_of);
  Tensor start_noise() const { return tensor(golden_.values("start_noise")); }
  Tensor mean() const { return tensor(golden_.values("m")); }
  Tensor noise(size_t request) const;
  Tensor tensor(const std::vector<double>& nchw) const;
  const Device& device() const { return *device_; }

 private:
  std::shared_ptr<const Device> device_ = open_device({.threads = 1});
  GoldenTensors golden_{"samplers/model.safetensors"};
  std::vector<float> variance_, mean_;  // [h, w, c]
  std::vector<double> noise_;

 public:                       // after the device that they live on
  std::vector<Level> calls;    // of the network
  std::vector<Tensor> inputs;  // of each call, in sigma space
};

// The k-th request returns the k-th recorded noise.
class RecordedNoise : public NoiseSource {
 public:
  explicit RecordedNoise(const AnalyticModel& model) : model_(model) {}
  Tensor draw(const Device& /*device*/, const Shape& /*shape*/) override { return model_.noise(requests++); }

  size_t requests = 0;

 private:
  const AnalyticModel& model_;
};

struct GoldenRun {
  std::vector<Tensor> states;    // the latent before each step
  std::vector<Tensor> inputs;    // of each step's first network call, in sigma space
  std::vector<Tensor> denoised;  // after each step
  Tensor result;
  size_t noise_requests;
};

GoldenRun run(AnalyticModel& model, Sampler& sampler, const Plan& plan, const Denoiser& denoiser, const Tensor& start);

// README of the references: max(1e-4, 5 f32_dev), absolute.
inline double golden_tolerance(const nlohmann::json& entry) {
  return std::max(1e-4, 5.0 * entry["f32_dev"].get<double>());
}

void expect_latent_near(const Tensor& actual, std::span<const double> expected_nchw, double tolerance,
                        const std::string& what);
// `recorded` holds one latent after another.
void expect_latents_near(const std::vector<Tensor>& actual, const std::vector<double>& recorded, double tolerance,
                         const std::string& what);

}  // namespace easel::testing
