#include "easel/nn/conv2d.h"

namespace easel {

Conv2d::Conv2d(const Weights& weights, int64_t c_in, int64_t c_out, const Window& window, Bias bias)
    : window_(window), weight_(weights.parameter("weight", {c_out, c_in, window.kernel, window.kernel})) {
  if (bias == Bias::yes) bias_ = weights.parameter("bias", {c_out});
}

Tensor Conv2d::operator()(const Tensor& x, const Conv2dFusion& fusion) const { return on_band(x, {}, fusion); }

Tensor Conv2d::on_band(const Tensor& rows, const Edges& edges, const Conv2dFusion& fusion) const {
  Padding padding = window_.padding;
  if (!edges.top) padding.top = 0;
  if (!edges.bottom) padding.bottom = 0;
  return ops::conv2d(rows, weight_, bias_,
                     {.stride = window_.stride,
                      .padding = padding,
                      .image_bias = fusion.image_bias,
                      .residual = fusion.residual,
                      .activation = fusion.activation});
}

}  // namespace easel
