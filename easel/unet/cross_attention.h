// CrossAttention: the tokens of x look at those of a context (Vaswani et al. 2017; Rombach et al. 2022, section 3.3).
#pragma once

#include "easel/nn/linear.h"

namespace easel {

struct CrossAttentionConfig {
  int64_t width;
  int64_t context_width;  // the width itself for self-attention
  int64_t heads;
};

class CrossAttention {
 public:
  // What of the context enters: as the prompt's do not change, they are computed once for all steps.
  struct KeysValues {
    Tensor keys;    // [n, s, width]
    Tensor values;  // [n, s, width]
  };

  CrossAttention(const Weights& weights, const CrossAttentionConfig& config);

  // context [n, s, context_width]
  KeysValues keys_values(const Tensor& context) const { return {to_k_(context), to_v_(context)}; }
  // x [n, t, width] -> same
  Tensor operator()(const Tensor& x, const KeysValues& context, const LinearOptions& output = {}) const;

 private:
  int64_t heads_;
  Linear to_q_;
  Linear to_k_;
  Linear to_v_;
  Linear to_out_;
};

}  // namespace easel
