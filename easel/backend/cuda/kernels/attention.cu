// Attention that never holds the whole score matrix (online softmax: Milakov & Gimelshein 2018; tiles: Dao et al.
// 2022), in f32 on the plain units: for head dimensions, masks and types that tensor cores do not serve.
#include <cmath>

#include "easel/backend/cuda/kernels/elements.cuh"
#include "easel/backend/cuda/kernels/reduction.cuh"

namespace easel::cuda {
namespace {

constexpr int kQueries = 64;  // of a block
constexpr int kKeys = 64;     // of a tile
constexpr int kDepth = 32;    // columns of queries and keys that are multiplied at a time
constexpr int kPart = 64;     // columns of values that are multiplied at a time

// A thread computes the scores of 4 neighbouring queries and of 4 keys that are kAcross apart, and sums of values for
// the same queries and 4 neighbouring columns of each part: 16 threads share a query.
constexpr int kAcross = 16;
constexpr int kOwn = 4;
static_assert(kThreads / kAcross * kOwn == kQueries && kAcross * kOwn == kKeys && kAcross * kOwn == kPart);

// Rows of shared tiles are longer than their contents, so that reading down a column meets all banks.
constexpr int kDepthStride = kDepth + 4;
constexpr int kScoreStride = kKeys + 4;
constexpr int kInputFloats = 2 * kQueries * kDepthStride;  // queries and keys, later a part of values
constexpr int kSharedFloats = kInputFloats + kQueries * kScoreStride;
static_assert(kKeys * kPart <= kInputFloats);

struct AttentionArguments {
  Source q, k, v;
  Target out;
  AttentionSizes sizes;
  float scale;  // of scores, in units of ln 2: the softmax is computed with powers of 2
  bool is_causal;
  bool is_wide;  // heads begin at multiples of 16 bytes and are whole vectors
};

// Rows and columns of one head of one image.
struct Head {
  Source data;
  int64_t offset;  // of its first element
  int64_t stride;  // elements from row to row
  int64_t rows, columns;
};

// tile [tile_rows][stride] = factor * rows from `row` on and columns from `column` on, zeros beyond the head.
template <int kRows, int kColumns>
__device__ void load_tile(const Head& head, int64_t row, int64_t column, float factor, bool is_wide, float* tile,
                          int stride) {
  for (int i = thread_index() * kVector; i < kRows * kColumns; i += block_threads() * kVector) {
    const int64_t from_row = row + i / kColumns;
    const int64_t from_column = column + i % kColumns;
    Pack<kVector> pack{};
    if (from_row < head.rows) {
      const int64_t index = head.offset + from_row * head.stride + from_column;
      if (is_wide && from_column < head.columns) {
        pack = load<kVector>(head.data, index);
      } else {
#pragma unroll
        for (int k = 0; k < kVector; ++k) {
          if (from_column + k < head.columns) pack.at[k] = load_one(head.data, index + k);
        }
      }
    }
    float* const to = tile + i / kColumns * stride + i % kColumns;
#pragma unroll
    for (int k = 0; k < kVector; ++k) to[k] = factor * pack.at[k];
  }
}

__device__ inline float4 read4(const float* at) { return *reinterpret_cast<const float4*>(at); }
__device__ inline float dot(const float4& a, const float4& b, float sum) {
  return fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, fmaf(a.w, b.w, sum))));
}

// What a thread knows of its queries.
template <int kParts>
struct Rows {
  float largest[kOwn];
  float total[kOwn];
  float sums[kOwn][kParts][4];
};

// scores[i][j] of query `query` + i and key `key` + kAcross j, in units of ln 2.
__device__ void multiply_keys(const AttentionArguments& arguments, const Head& q, const Head& k, int64_t first_query,
                              int64_t first_key, float* memory, float (&scores)[kOwn][kOwn]) {
  float* const queries = memory;
  float* const keys = memory + kQueries * kDepthStride;
  const int down = thread_index() / kAcross * kOwn;
  const int across = thread_index() % kAcross;
  for (int64_t depth = 0; depth < q.columns; depth += kDepth) {
    __syncthreads();  // all have done with what lies there
    load_tile<kQueries, kDepth>(q, first_query, depth, arguments.scale, arguments.is_wide, queries, kDepthStride);
    load_tile<kKeys, kDepth>(k, first_key, depth, 1.0f, arguments.is_wide, keys, kDepthStride);
    __syncthreads();
#pragma unroll
    for (int at = 0; at < kDepth; at += 4) {
      float4 b[kOwn];
#pragma unroll
      for (int j = 0; j < kOwn; ++j) b[j] = read4(keys + (across + kAcross * j) * kDepthStride + at);
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
        const float4 a = read4(queries + (down + i) * kDepthStride + at);
#pragma unroll
        for (int j = 0; j < kOwn; ++j) scores[i][j] = dot(a, b[j], scores[i][j]);
      }
    }
  }
}

// Scores become weights 2^(score - largest) in `weights` [kQueries][kScoreStride]; hidden keys weigh nothing. What was
// summed so far is scaled down to the new largest score.
template <int kParts>
__device__ void weigh(const float (&scores)[kOwn][kOwn], int64_t query, int64_t key, int64_t keys, bool is_causal,
                      Rows<kParts>& rows, float* weights) {
  const int down = thread_index() / kAcross * kOwn;
  const int across = thread_index() % kAcross;
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const int64_t visible = is_causal && query + down + i + 1 < keys ? query + down + i + 1 : keys;
    float largest = rows.largest[i];
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      if (key + across + kAcross * j < visible) largest = fmaxf(largest, scores[i][j]);
    }
    largest = reduce_lanes<kAcross>(largest, Largest());
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      const bool is_visible = key + across + kAcross * j < visible;
      const float weight = is_visible ? exp2f(scores[i][j] - largest) : 0.0f;
      weights[(down + i) * kScoreStride + across + kAcross * j] = weight;
      sum += weight;
    }
    const float factor = exp2f(rows.largest[i] - largest);
    rows.largest[i] = largest;
    rows.total[i] = rows.total[i] * factor + reduce_lanes<kAcross>(sum, Sum());
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int c = 0; c < 4; ++c) rows.sums[i][part][c] *= factor;
    }
  }
}

// Adds weights times values to the rows' sums.
template <int kParts>
__device__ void add_values(const AttentionArguments& arguments, const Head& v, int64_t first_key, int64_t first_column,
                           const float* weights, float* values, Rows<kParts>& rows) {
  const int down = thread_index() / kAcross * kOwn;
  const int across = thread_index() % kAcross * 4;
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    __syncthreads();  // the weights are complete, and all have done with what lies in `values`
    load_tile<kKeys, kPart>(v, first_key, first_column + part * kPart, 1.0f, arguments.is_wide, values, kPart);
    __syncthreads();
#pragma unroll 4
    for (int key = 0; key < kKeys; ++key) {
      const float4 value = read4(values + key * kPart + across);
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
        const float weight = weights[(down + i) * kScoreStride + key];
        float(&sums)[4] = rows.sums[i][part];
        sums[0] = fmaf(weight, value.x, sums[0]);
        sums[1] = fmaf(weight, value.y, sums[1]);
        sums[2] = fmaf(weight, value.z, sums[2]);
        sums[3] = fmaf(weight, value.w, sums[3]);
      }
    }
  }
}

// One block per tile of queries (x), image and head (y), and kParts parts of the values' columns (z).
template <int kParts>
__global__ void __launch_bounds__(kThreads) attention_kernel(AttentionArguments arguments) {
  const AttentionSizes& sizes = arguments.sizes;
  const int64_t image = blockIdx.y / sizes.heads;
  const int64_t column = blockIdx.y % sizes.heads * sizes.head_dim;  // of the head
  const int64_t stride = sizes.heads * sizes.head_dim;
  const int64_t query_offset = image * sizes.queries * stride + column;
  const int64_t key_offset = image * sizes.keys * stride + column;
  const Head q{arguments.q, query_offset, stride, sizes.queries, sizes.head_dim};
  const Head k{arguments.k, key_offset, stride, sizes.keys, sizes.head_dim};
  const Head v{arguments.v, key_offset, stride, sizes.keys, sizes.head_dim};
  const int64_t first_column = static_cast<int64_t>(blockIdx.z) * kParts * kPart;
  float* const memory = shared<float>();
  float* const weights = memory + kInputFloats;
  const int down = thread_index() / kAcross * kOwn;
  const int across = thread_index() % kAcross * 4;

  for (int64_t first_query = static_cast<int64_t>(blockIdx.x) * kQueries; first_query < sizes.queries;
       first_query += static_cast<int64_t>(gridDim.x) * kQueries) {
    Rows<kParts> rows{};
#pragma unroll
    for (int i = 0; i < kOwn; ++i) rows.largest[i] = Largest::kNeutral;
    const int64_t after = first_query + kQueries;
    const int64_t last_key = arguments.is_causal && after < sizes.keys ? after : sizes.keys;
    for (int64_t first_key = 0; first_key < last_key; first_key += kKeys) {
      float scores[kOwn][kOwn] = {};
      multiply_keys(arguments, q, k, first_query, first_key, memory, scores);
      weigh(scores, first_query, first_key, sizes.keys, arguments.is_causal, rows, weights);
      add_values(arguments, v, first_key, first_column, weights, memory, rows);
    }
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int64_t query = first_query + down + i;
      if (query >= sizes.queries) continue;
      const float inverse = 1.0f / rows.total[i];
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          const int64_t to = first_column + part * kPart + across + c;
          if (to >= sizes.head_dim) continue;
          store(arguments.out, query_offset + query * stride + to, Pack<1>{{rows.sums[i][part][c] * inverse}});
        }
      }
    }
  }
}

}  // namespace

void attention(Source q, Source k, Source v, const AttentionSizes& sizes, bool causal, Target out, Stream stream) {
  if (sizes.n * sizes.heads * sizes.queries * sizes.head_dim == 0) return;
  constexpr float kLog2E = 1.44269504f;
  const AttentionArguments arguments{.q = q,
                                     .k = k,
                                     .v = v,
                                     .out = out,
                                     .sizes = sizes,
                                     .scale = kLog2E / std::sqrt(static_cast<float>(sizes.head_dim)),
                                     .is_causal = causal,
                                     .is_wide = sizes.head_dim % kVector == 0 && all_aligned(q, k, v)};
  const int64_t parts = (sizes.head_dim + kPart - 1) / kPart;
  const int64_t parts_of_block = parts > 2 ? 4 : parts;
  const auto kernel = parts == 1 ? attention_kernel<1> : parts == 2 ? attention_kernel<2> : attention_kernel<4>;
  launch(kernel,
         {.x = blocks_for(sizes.queries, kQueries),
          .y = sizes.n * sizes.heads,
          .z = (parts + parts_of_block - 1) / parts_of_block},
         kThreads, kSharedFloats * sizeof(float), stream, arguments);
}

}  // namespace easel::cuda
