#include "tests/sampling/golden_run.h"

#include "easel/ops/arithmetic.h"

namespace easel::testing {
namespace {

class RecordingSampler : public Sampler {
 public:
  RecordingSampler(const AnalyticModel& model, Sampler& inner, Convention convention, GoldenRun& out)
      : model_(model), inner_(inner), convention_(convention), out_(out) {}

  std::vector<Step> steps(const std::vector<Step>& scheduled, const NoiseSchedule& trained) override {
    return inner_.steps(scheduled, trained);
  }

  Tensor step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) override {
    const double scale = convention_ == Convention::k_diffusion ? 1.0 : std::hypot(1.0, s.at.sigma);
    out_.states.push_back(x / scale);
    const size_t first_call = model_.inputs.size();
    const Tensor next = inner_.step(denoise, noise, x, s);
    if (model_.inputs.size() > first_call) out_.inputs.push_back(model_.inputs[first_call]);
    return next;
  }

 private:
  const AnalyticModel& model_;
  Sampler& inner_;
  Convention convention_;
  GoldenRun& out_;
};

}  // namespace

AnalyticModel::AnalyticModel()
    : variance_(tensor(golden_.values("c")).values()),
      mean_(tensor(golden_.values("m")).values()),
      noise_(golden_.values("noise")) {}

Tensor AnalyticModel::tensor(const std::vector<double>& nchw) const {
  return from_nchw(*device_, 1, 4, 8, 8, std::vector<float>(nchw.begin(), nchw.end()));
}

Tensor AnalyticModel::noise(size_t request) const {
  const auto begin = noise_.begin() + static_cast<int64_t>(request) * 256;
  return tensor(std::vector<double>(begin, begin + 256));
}

Network AnalyticModel::network(Prediction prediction, std::function<double(const Level&)> sigma_of) {
  return [this, prediction, sigma_of = std::move(sigma_of)](const Tensor& x, const Level& level) {
    calls.push_back(level);
    inputs.push_back(x * std::hypot(1.0, level.sigma));
    const double sigma = sigma_of(level);
    const double alpha = 1.0 / std::hypot(1.0, sigma);  // sqrt(alpha_cumprod)
    Tensor out = x.clone();
    for (size_t i = 0; i < variance_.size(); ++i) {
      const double c = variance_[i];
      const double value = x.data()[i];
      const double x0 =
          (c * alpha * value + mean_[i] * (1.0 - alpha * alpha)) / (c * alpha * alpha + 1.0 - alpha * alpha);
      const double epsilon = (value - alpha * x0) / (alpha * sigma);
      const double v = alpha * epsilon - alpha * sigma * x0;
      out.data()[i] = static_cast<float>(prediction == Prediction::epsilon ? epsilon
                                         : prediction == Prediction::v     ? v
                                                                           : x0);
    }
    return out;
  };
}

GoldenRun run(AnalyticModel& model, Sampler& sampler, const Plan& plan, const Denoiser& denoiser, const Tensor& start) {
  GoldenRun out{.states = {}, .inputs = {}, .denoised = {}, .result = start, .noise_requests = 0};
  RecordingSampler recording(model, sampler, plan.convention, out);
  RecordedNoise noise(model);
  int64_t steps = 0;
  const auto on_step = [&](const Progress& progress) {
    EXPECT_EQ(progress.step, ++steps);
    out.denoised.push_back(progress.denoised);
  };
  model.calls.clear();
  model.inputs.clear();
  out.result = sample(recording, plan, denoiser, start, noise, {.on_step = on_step, .cancel = {}});
  out.noise_requests = noise.requests;
  return out;
}

void expect_latent_near(const Tensor& actual, std::span<const double> expected_nchw, double tolerance,
                        const std::string& what) {
  const std::vector<float> values = to_nchw(actual);
  ASSERT_EQ(values.size(), expected_nchw.size()) << what;
  size_t worst = 0;
  double difference = -1.0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double here = std::abs(values[i] - expected_nchw[i]);
    if (!(here <= difference)) {
      difference = here;
      worst = i;
    }
  }
  EXPECT_LE(difference, tolerance) << what << ": element " << worst << " is " << values[worst] << ", expected "
                                   << expected_nchw[worst];
}

void expect_latents_near(const std::vector<Tensor>& actual, const std::vector<double>& recorded, double tolerance,
                         const std::string& what) {
  const auto count = static_cast<size_t>(kLatentShape.count());
  ASSERT_EQ(actual.size() * count, recorded.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    expect_latent_near(actual[i], std::span(recorded).subspan(i * count, count), tolerance,
                       what + " step " + std::to_string(i));
  }
}

}  // namespace easel::testing
