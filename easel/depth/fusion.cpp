#include "easel/depth/fusion.h"

#include "easel/ops/arithmetic.h"

namespace easel {

Readout::Readout(const Weights& weights, int64_t width, int64_t channels)
    : project_(weights / "0.project.0", 2 * width, width), reduce_(weights / "3", width, channels) {}

Tensor Readout::operator()(const Tensor& tokens, int64_t rows, int64_t columns) const {
  const int64_t width = tokens.dim(2);
  const Tensor list = tokens.reshape({tokens.dim(1), width});
  const Tensor class_token = list.slice(0, 1).reshape({1, 1, 1, width});
  const Tensor places = list.slice(1, tokens.dim(1)).reshape({1, rows, columns, width});
  const Tensor everywhere = ops::resize(class_token, rows, columns);  // one pixel fills the image
  const Tensor both = ops::concat_channels(places, everywhere);       // [1, rows, columns, 2 width]
  return reduce_(project_(both, {.activation = Activation::gelu}));
}

ResidualConvUnit::ResidualConvUnit(const Weights& weights, int64_t channels)
    : conv1_(weights / "conv1", channels, channels), conv2_(weights / "conv2", channels, channels) {}

Tensor ResidualConvUnit::operator()(const Tensor& x) const {
  const Tensor h = conv1_(ops::activate(x, Activation::relu), {.activation = Activation::relu});
  return conv2_(h, {.residual = x});
}

FusionBlock::FusionBlock(const Weights& weights, int64_t channels, Joins joins)
    : unit_(weights / "resConfUnit2", channels), out_(weights / "out_conv", channels, channels) {
  if (joins == Joins::encoder_level) level_unit_.emplace(weights / "resConfUnit1", channels);
}

// The 1x1 convolution comes before the enlargement, with which it commutes: a quarter of the products.
Tensor FusionBlock::operator()(const Tensor& x) const { return enlarge_2x(out_(unit_(x))); }

Tensor FusionBlock::operator()(const Tensor& x, const Tensor& level) const {
  EASEL_ASSERT(level_unit_);
  return (*this)(x + (*level_unit_)(level));
}

Tensor enlarge_2x(const Tensor& x) { return ops::resize(x, 2 * x.dim(1), 2 * x.dim(2), {.align_corners = true}); }

}  // namespace easel
