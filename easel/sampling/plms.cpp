#include "easel/ops/arithmetic.h"
#include "easel/sampling/samplers.h"

namespace easel {
namespace {

// The DDIM step (eta 0) for a network output that may be a combination of several.
Tensor transfer(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Tensor& output, const Step& s) {
  const Tensor x0 = denoise.denoised(x, output, s.at.sigma);
  noise.draw_between(x, s.at.sigma, s.next.sigma);  // CompVis draws and multiplies by 0: later draws depend on it
  return x0 + (x - x0) * (s.next.sigma / s.at.sigma);
}

}  // namespace

Tensor PlmsSampler::step(const Denoiser& denoise, NoiseSource& noise, const Tensor& x, const Step& s) {
  if (s.index == 0) history_.clear();
  const Tensor now = denoise.output(x, s.at);
  const auto past = [this](size_t steps_ago) { return &history_[steps_ago - 1]; };
  const auto combined = [&] {
    switch (history_.size()) {
      case 0: {  // pseudo improved Euler
        const Tensor euler = transfer(denoise, noise, x, now, s);
        return (now + denoise.output(euler, s.next)) / 2.0f;
      }
      case 1: return ops::combine({{3.0f / 2, &now}, {-1.0f / 2, past(1)}});
      case 2: return ops::combine({{23.0f / 12, &now}, {-16.0f / 12, past(1)}, {5.0f / 12, past(2)}});
      default: break;
    }
    return ops::combine({{55.0f / 24, &now}, {-59.0f / 24, past(1)}, {37.0f / 24, past(2)}, {-9.0f / 24, past(3)}});
  };
  const Tensor output = combined();
  history_.push_front(now);
  if (history_.size() > 3) history_.pop_back();
  return transfer(denoise, noise, x, output, s);
}

}  // namespace easel
