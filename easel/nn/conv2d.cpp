#include "easel/nn/conv2d.h"

namespace easel {

Conv2d::Conv2d(const Weights& weights, int64_t c_in, int64_t c_out, const Window& window, Bias bias)
    : window_(window), weight_(weights.parameter("weight", {c_out, c_in, window.kernel, window.kernel})) {
  if (bias == Bias::yes) bias_ = weights.parameter("bias", {c_out});
}

Tensor Conv2d::operator()(const Tensor& x, const Conv2dFusion& fusion) const {
  return ops::conv2d(x, weight_, bias_,
                     {.stride = window_.stride,
                      .padding = window_.padding,
                      .image_bias = fusion.image_bias,
                      .residual = fusion.residual,
                      .activation = fusion.activation});
}

}  // namespace easel
