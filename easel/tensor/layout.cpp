#include "easel/tensor/layout.h"

namespace easel {

Tensor from_nchw(const Device& device, int64_t n, int64_t c, int64_t h, int64_t w, std::span<const float> values) {
  Tensor out = Tensor::empty(device, {n, h, w, c});
  EASEL_ASSERT(static_cast<int64_t>(values.size()) == out.count());
  const int64_t pixels = h * w;
  float* to = out.data().data();
  for (int64_t image = 0; image < n; ++image) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int64_t channel = 0; channel < c; ++channel) {
        *to++ = values[static_cast<size_t>((image * c + channel) * pixels + pixel)];
      }
    }
  }
  return out;
}

std::vector<float> to_nchw(const Tensor& x) {
  EASEL_ASSERT(x.shape().rank() == 4);
  const int64_t pixels = x.dim(1) * x.dim(2);
  const int64_t c = x.dim(3);
  std::vector<float> out(static_cast<size_t>(x.count()));
  const float* from = x.data().data();
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
