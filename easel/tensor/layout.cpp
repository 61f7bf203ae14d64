#include "easel/tensor/layout.h"

namespace easel {

Tensor from_nchw(const Device& device, int64_t n, int64_t c, int64_t h, int64_t w, std::span<const float> values) {
  EASEL_ASSERT(static_cast<int64_t>(values.size()) == n * c * h * w);
  const int64_t pixels = h * w;
  std::vector<float> out(values.size());
  float* to = out.data();
  for (int64_t image = 0; image < n; ++image) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int64_t channel = 0; channel < c; ++channel) {
        *to++ = values[static_cast<size_t>((image * c + channel) * pixels + pixel)];
      }
    }
  }
  return Tensor::from(device, {n, h, w, c}, std::span<const float>(out));
}

std::vector<float> to_nchw(const Tensor& x) {
  EASEL_ASSERT(x.shape().rank() == 4);
  const int64_t pixels = x.dim(1) * x.dim(2);
  const int64_t c = x.dim(3);
  std::vector<float> out(static_cast<size_t>(x.count()));
  const std::vector<float> values = x.values();
  const float* from = values.data();
  for (int64_t image = 0; image < x.dim(0); ++image) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int64_t channel = 0; channel < c; ++channel) {
        out[static_cast<size_t>((image * c + channel) * pixels + pixel)] = *from++;
      }
    }
  }
  return out;
}

}  // namespace easel
