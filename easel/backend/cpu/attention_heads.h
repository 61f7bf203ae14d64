// How attention is shared out: a head of an image after the other to pack, a tile of a head's queries after the other
// to compute.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "easel/backend/cpu/parallel.h"
#include "easel/tensor/tensor.h"

namespace easel::cpu {

// q [n, queries, width], k and v [n, keys, width], of which each head has width / heads columns.
struct AttentionHeads {
  AttentionHeads(const Tensor& q, const Tensor& k, int64_t head_count)
      : heads(head_count),
        pairs(q.dim(0) * head_count),
        queries(static_cast<size_t>(q.dim(1))),
        keys(static_cast<size_t>(k.dim(1))),
        width(static_cast<size_t>(q.dim(2))),
        head_dim(width / static_cast<size_t>(head_count)) {}

  int64_t heads, pairs;  // pair: of an image and a head
  size_t queries, keys, width, head_dim;

  // Where a pair's first number is, in tensors of `rows` rows an image.
  size_t offset(int64_t pair, size_t rows) const {
    return static_cast<size_t>(pair / heads) * rows * width + static_cast<size_t>(pair % heads) * head_dim;
  }
  // Of scores, in units of ln 2: the softmax is computed with powers of 2.
  float score_scale() const { return std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(head_dim)); }

  // body(pair, first query, queries, thread)
  template <typename Body>
  void for_each_tile(int threads, size_t tile_queries, const Body& body) const {
    const auto tiles = static_cast<int64_t>((queries + tile_queries - 1) / tile_queries);
    parallel_items(threads, pairs * tiles, [&](int64_t item, int thread) {
      const size_t first = static_cast<size_t>(item % tiles) * tile_queries;
      body(item / tiles, first, std::min(tile_queries, queries - first), static_cast<size_t>(thread));
    });
  }
};

}  // namespace easel::cpu
