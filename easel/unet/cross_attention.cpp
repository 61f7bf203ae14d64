#include "easel/unet/cross_attention.h"

namespace easel {

CrossAttention::CrossAttention(const Weights& weights, const CrossAttentionConfig& config)
    : heads_(config.heads),
      to_q_(weights / "to_q", config.width, config.width, Bias::no),
      to_k_(weights / "to_k", config.context_width, config.width, Bias::no),
      to_v_(weights / "to_v", config.context_width, config.width, Bias::no),
      to_out_(weights / "to_out.0", config.width, config.width) {}

Tensor CrossAttention::operator()(const Tensor& x, const KeysValues& context, const LinearOptions& output) const {
  return to_out_(ops::attention(to_q_(x), context.keys, context.values, {.heads = heads_}), output);
}

}  // namespace easel
