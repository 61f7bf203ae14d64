// Shifting an image around its edges.
#pragma once

#include "easel/tensor/tensor.h"

namespace easel::testing {

// x [n, h, w, c] moved down by `rows` and right by `columns`; what leaves at one edge comes in at the opposite one.
inline Tensor rolled(const Tensor& x, int64_t rows, int64_t columns) {
  const int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3);
  const std::vector<float> from = x.values();
  std::vector<float> to(from.size());
  for (int64_t pixel = 0; pixel < x.dim(0) * h * w; ++pixel) {
    const int64_t row = (pixel / w % h + rows) % h;
    const int64_t column = (pixel % w + columns) % w;
    const int64_t target = (pixel / (h * w) * h + row) * w + column;
    for (int64_t k = 0; k < c; ++k) to[static_cast<size_t>(target * c + k)] = from[static_cast<size_t>(pixel * c + k)];
  }
  return Tensor::from(x.device(), x.shape(), std::span<const float>(to));
}

}  // namespace easel::testing
