#include "easel/unet/res_block.h"

namespace easel {
namespace {

constexpr float kEpsilon = 1e-5f;

}  // namespace

ResBlock::ResBlock(const Weights& weights, const ResBlockConfig& config)
    : norm1_(weights / "in_layers.0", config.c_in, kEpsilon),
      conv1_(weights / "in_layers.2", config.c_in, config.c_out, window_3x3(config.padding)),
      time_proj_(weights / "emb_layers.1", config.d_time, config.c_out),
      norm2_(weights / "out_layers.0", config.c_out, kEpsilon),
      conv2_(weights / "out_layers.3", config.c_out, config.c_out, window_3x3(config.padding)) {
  if (config.c_in != config.c_out) shortcut_.emplace(weights / "skip_connection", config.c_in, config.c_out);
}

Tensor ResBlock::operator()(const Tensor& x, const Tensor& time_embedding) const {
  const Tensor time = time_proj_(ops::silu(time_embedding));  // [n, c_out], one bias per image and channel
  const Tensor h = conv1_(norm1_(x, Activation::silu), {.image_bias = time});  // [n, h, w, c_out]
  return conv2_(norm2_(h, Activation::silu), {.residual = shortcut_ ? (*shortcut_)(x) : x});
}

}  // namespace easel
