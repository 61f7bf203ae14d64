// Attention that never holds the whole score matrix (online softmax: Milakov & Gimelshein 2018; tiles: Dao et al.
// 2022).
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::attention.
void attention(int threads, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
               Tensor& out);

// What it holds beside q, k, v and the result.
struct AttentionMemory {
  int64_t packed_floats;
  int64_t scratch_floats;
};
AttentionMemory attention_memory(int threads, const Tensor& q, const Tensor& k, int64_t heads);

}  // namespace easel::cpu
