// StandardizedConv2d: a convolution whose weights have mean 0 and variance 1 (Qiao et al. 2019).
#pragma once

#include "easel/nn/conv2d.h"

namespace easel {

// As TensorFlow's "SAME" where the stride divides the size: padded to a result of size / stride, with the smaller half
// of the padding in front.
Window same_window(int64_t kernel, int64_t stride);

class StandardizedConv2d {
 public:
  StandardizedConv2d(const Weights& weights, int64_t c_in, int64_t c_out, const Window& window);

  // x [n, h, w, c_in] -> [n, h / stride, w / stride, c_out]
  Tensor operator()(const Tensor& x) const;

 private:
  Window window_;
  Parameter weight_;  // [c_out, c_in, kernel, kernel]
};

// (w - mean) / sqrt(variance + 1e-8) per output channel, as f32. weight [c_out, ...] -> same. It is kept nowhere:
// making it anew takes a fraction of the convolution's time.
Parameter standardized(const Parameter& weight);

}  // namespace easel
