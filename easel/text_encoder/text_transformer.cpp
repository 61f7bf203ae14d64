#include "easel/text_encoder/text_transformer.h"

namespace easel {

Tensor TextTransformer::operator()(const Tensor& x) const {
  const auto& [norm1, q, k, v, attention_out, norm2, mlp_in, mlp_out] = parts_;
  const Tensor a = norm1(x);
  const Tensor seen = ops::attention(q(a), k(a), v(a), {.heads = heads_, .causal = true});
  const Tensor h = attention_out(seen, {.residual = x});
  return mlp_out(mlp_in(norm2(h), {.activation = activation_}), {.residual = h});
}

}  // namespace easel
