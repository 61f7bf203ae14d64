// Fused attention by cuDNN.
#pragma once

#include <map>
#include <optional>

#include "easel/backend/cuda/graph.h"
#include "easel/backend/cuda/kernels/kernels.h"

namespace easel::cuda {

// Plans are made once for each shape.
class FusedAttention {
 public:
  // softmax(q k^T / sqrt(head_dim)) v with logits and sums in f32. q, out [n, queries, heads * head_dim]; k, v
  // [n, keys, heads * head_dim]; all f16 or all bf16. False: cuDNN has no way to compute this within `workspace_bytes`;
  // then nothing was done. Addresses are multiples of 16.
  bool run(const Context& context, const AttentionSizes& sizes, Source q, Source k, Source v, Target out,
           void* workspace, int64_t workspace_bytes);

 private:
  struct Key {
    int64_t n, queries, keys, heads, head_dim;
    DType type;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, std::optional<GraphPlan>> plans_;
};

}  // namespace easel::cuda
