#include "easel/nn/embedding.h"

#include <cmath>
#include <vector>

namespace easel {

Tensor timestep_embedding(const Device& device, std::span<const float> timesteps, int64_t width) {
  // In f32 as the reference does: at timestep 999 a rounded frequency moves the phase by up to 6e-5.
  constexpr float kLogLongestPeriod = 9.210340371976184f;  // log 10000
  const int64_t half = width / 2;
  std::vector<float> out;
  out.reserve(timesteps.size() * static_cast<size_t>(width));
  for (const float timestep : timesteps) {
    const auto phase = [&](int64_t i) {
      return timestep * std::exp(-kLogLongestPeriod * static_cast<float>(i) / static_cast<float>(half));
    };
    for (int64_t i = 0; i < half; ++i) out.push_back(std::cos(phase(i)));
    for (int64_t i = 0; i < half; ++i) out.push_back(std::sin(phase(i)));
  }
  return Tensor::from(device, {static_cast<int64_t>(timesteps.size()), 2 * half}, std::span<const float>(out));
}

}  // namespace easel
