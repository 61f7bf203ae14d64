#include "easel/sampling/denoiser.h"

#include <cmath>
#include <utility>

#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"

namespace easel {

Tensor Denoiser::output(const Tensor& x, const Level& level) const {
  if (before_) before_();
  return network_(x / std::hypot(1.0, level.sigma), level);
}

Tensor Denoiser::denoised(const Tensor& x, const Tensor& output, double sigma) const {
  const auto to_x0 = [&] {
    switch (prediction_) {
      case Prediction::epsilon: return x - output * sigma;
      case Prediction::v: return x * (1.0 / (1.0 + sigma * sigma)) - output * (sigma / std::hypot(1.0, sigma));
      case Prediction::denoised: break;
    }
    return output;
  };
  const Tensor x0 = clip_range_ ? ops::clamp(to_x0(), -*clip_range_, *clip_range_) : to_x0();
  if (after_) after_(x0);
  return x0;
}

Denoiser Denoiser::clipped(float range) const {
  Denoiser copy = *this;
  copy.clip_range_ = range;
  return copy;
}

Denoiser Denoiser::watched(std::function<void()> before, std::function<void(const Tensor&)> after) const {
  Denoiser copy = *this;
  copy.before_ = std::move(before);
  copy.after_ = std::move(after);
  return copy;
}

Network guided(Network network, double scale) {
  if (!needs_unconditional(scale)) return network;
  return [network = std::move(network), scale](const Tensor& x, const Level& level) {
    const int64_t n = x.dim(0);
    const Tensor both = network(ops::concat_batch(x, x), level);  // [2n, h, w, c]
    const Tensor unconditional = both.slice(0, n);
    return unconditional + (both.slice(n, 2 * n) - unconditional) * scale;
  };
}

}  // namespace easel
