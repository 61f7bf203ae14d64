#include "easel/sampling/noise.h"

#include "easel/base/error.h"
#include "easel/tensor/layout.h"

namespace easel {

Tensor NoiseSource::draw_between(const Tensor& x, double /*sigma*/, double /*sigma_next*/) {
  return draw(x.device(), x.shape());
}

PerImageNoise::PerImageNoise(RngKind kind, const std::vector<uint64_t>& seeds) {
  for (const uint64_t seed : seeds) generators_.push_back(make_generator(kind, seed));
}

Tensor PerImageNoise::draw(const Device& device, const Shape& shape) {
  const auto images = static_cast<int64_t>(generators_.size());
  EASEL_ASSERT(shape.rank() == 4 && shape.dim(0) == images);
  std::vector<float> values;
  values.reserve(static_cast<size_t>(shape.count()));
  for (const auto& generator : generators_) {
    const std::vector<float> image = generator->randn(shape.count() / images);
    values.insert(values.end(), image.begin(), image.end());
  }
  return from_nchw(device, shape[0], shape[3], shape[1], shape[2], values);
}

Tensor BatchNoise::draw(const Device& device, const Shape& shape) {
  EASEL_ASSERT(shape.rank() == 4);
  return from_nchw(device, shape[0], shape[3], shape[1], shape[2], generator_->randn(shape.count()));
}

}  // namespace easel
