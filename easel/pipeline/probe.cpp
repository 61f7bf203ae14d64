#include "easel/pipeline/probe.h"

#include <cmath>
#include <span>

#include "easel/sampling/noise.h"
#include "easel/sampling/noise_schedule.h"

namespace easel {
namespace {

constexpr int64_t kSide = 32;  // latent rows and columns
constexpr uint64_t kSeed = 1;
constexpr double kAlike = 0.8;   // trained networks of epsilon reach 0.99
constexpr double kUnlike = 0.5;  // trained networks of v stay below 0.2
constexpr double kSmooth = 0.5;  // correlation of neighbours; noise has 0

double correlation(std::span<const float> a, std::span<const float> b) {
  double mean_a = 0, mean_b = 0;
  for (size_t i = 0; i < a.size(); ++i) mean_a += a[i], mean_b += b[i];
  mean_a /= static_cast<double>(a.size());
  mean_b /= static_cast<double>(b.size());
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

// Of each pixel with the one below it. x [1, h, w, c]
double smoothness(std::span<const float> x, int64_t row) {
  const auto step = static_cast<size_t>(row);
  return correlation(x.first(x.size() - step), x.subspan(step));
}

}  // namespace

ProbeResult probe_parameterization(const UNet& unet, const Tensor& context) {
  const int64_t channels = unet.config().in_channels;
  BatchNoise source(RngKind::cpu, kSeed);
  const Tensor x = source.draw(context.device(), {1, kSide, kSide, channels});
  const float timestep = NoiseSchedule::kTimesteps - 1;
  const Tensor out = unet(x, std::span(&timestep, 1), unet.condition(context));

  const std::vector<float> input = x.values(), output = out.values();
  const double likeness = correlation(input, output);
  if (likeness >= kUnlike) return {Parameterization::eps, likeness >= kAlike, likeness};
  return {Parameterization::v, smoothness(output, kSide * unet.config().out_channels) >= kSmooth, likeness};
}

}  // namespace easel
