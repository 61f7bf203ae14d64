// Attention that never holds the whole score matrix (online softmax: Milakov & Gimelshein 2018; tiles: Dao et al.
// 2022).
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::attention.
void attention(int threads, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
               Tensor& out);

}  // namespace easel::cpu
