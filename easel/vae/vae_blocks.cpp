#include "easel/vae/vae_blocks.h"

namespace easel {

VaeResBlock::VaeResBlock(const Weights& weights, int64_t c_in, int64_t c_out, PaddingMode padding)
    : norm1_(weights / "norm1", c_in, kVaeEpsilon),
      conv1_(weights / "conv1", c_in, c_out, window_3x3(padding)),
      norm2_(weights / "norm2", c_out, kVaeEpsilon),
      conv2_(weights / "conv2", c_out, c_out, window_3x3(padding)) {
  if (c_in != c_out) shortcut_.emplace(weights / "nin_shortcut", c_in, c_out);
}

Tensor VaeResBlock::operator()(const Tensor& x) const {
  const Tensor h = conv1_(norm1_(x, Activation::silu));  // [n, h, w, c_out]
  return conv2_(norm2_(h, Activation::silu), {.residual = shortcut_ ? (*shortcut_)(x) : x});
}

VaeAttention::VaeAttention(const Weights& weights, int64_t channels)
    : norm_(weights / "norm", channels, kVaeEpsilon),
      q_(weights / "q", channels, channels),
      k_(weights / "k", channels, channels),
      v_(weights / "v", channels, channels),
      proj_out_(weights / "proj_out", channels, channels) {}

Tensor VaeAttention::operator()(const Tensor& x) const {
  const Tensor tokens = norm_(x).reshape({x.dim(0), x.dim(1) * x.dim(2), x.dim(3)});  // [n, h w, channels]
  const Tensor seen = ops::attention(q_(tokens), k_(tokens), v_(tokens), {.heads = 1});
  return proj_out_(seen.reshape(x.shape()), {.residual = x});
}

VaeMiddle::VaeMiddle(const Weights& weights, int64_t channels, PaddingMode padding)
    : block1_(weights / "block_1", channels, channels, padding),
      attention_(weights / "attn_1", channels),
      block2_(weights / "block_2", channels, channels, padding) {}

Tensor VaeMiddle::operator()(const Tensor& x, std::string_view path, const BlockObserver& observe) const {
  Tensor h = observed(observe, block1_(x), "{}.block_1", path);
  h = observed(observe, attention_(h), "{}.attn_1", path);
  return observed(observe, block2_(h), "{}.block_2", path);
}

}  // namespace easel
