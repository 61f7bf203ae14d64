// What every backend has to find out about a convolution.
#pragma once

#include "easel/backend/backend.h"

namespace easel {

// A 1x1 convolution is a product over all pixels.
inline bool is_pointwise(const Parameter& weight, const Conv2dOptions& options) {
  const Padding& padding = options.padding;
  return weight.shape()[2] == 1 && weight.shape()[3] == 1 && options.stride == 1 && padding.top == 0 &&
         padding.bottom == 0 && padding.left == 0 && padding.right == 0;
}

// x [n, h, w, c] with what is beyond its edges: [n, top + h + bottom, left + w + right, c]
inline Shape padded_shape(const Tensor& x, const Padding& padding) {
  return {x.dim(0), padding.top + x.dim(1) + padding.bottom, padding.left + x.dim(2) + padding.right, x.dim(3)};
}

}  // namespace easel
