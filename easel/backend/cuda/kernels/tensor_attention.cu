// Attention on tensor cores that never holds the whole score matrix (Dao et al. 2022 and 2023): f16 or bf16 operands,
// f32 scores, softmax and sums. A warp has 16 queries; their scores become the left operand of the second product
// where they are.
#include <cmath>

#include "easel/backend/cuda/kernels/mma.cuh"
#include "easel/backend/cuda/kernels/reduction.cuh"

namespace easel::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kWarpQueries = 16;
constexpr int kQueries = kWarps * kWarpQueries;
constexpr int kKeys = 64;               // of a tile
constexpr int kDepth = 64;              // columns of keys that are multiplied at a time
constexpr int kPart = 64;               // columns of values that are multiplied at a time
constexpr int kStep = 16;               // that a product sums over
constexpr int kTile = 8;                // columns of a product
constexpr int kTiles = kKeys / kTile;   // of scores, and of a part of values
constexpr int kSteps = kKeys / kStep;   // of a tile of keys, and of kDepth columns
constexpr int kPadding = 8;             // of rows in shared memory: 8 rows of 4 pairs are then in 32 banks
constexpr int kStride = 64 + kPadding;  // of keys and of values (which are transposed)
static_assert(kKeys == kDepth && kKeys == kPart);

struct TensorArguments {
  const void *q, *k, *v;
  void* out;
  AttentionSizes sizes;
  float scale;  // of scores, in units of ln 2
  bool is_causal;
};

int64_t padded_dim(int64_t head_dim) { return (head_dim + kStep - 1) / kStep * kStep; }

int64_t shared_bytes(int64_t head_dim) { return 2 * (kQueries * (padded_dim(head_dim) + kPadding) + kKeys * kStride); }

// One head of one image, in memory of 16-bit elements: rows from `data` on, `stride` apart.
struct Head {
  const uint16_t* data;
  int64_t stride, rows;
  int columns;
};

__device__ inline uint4 read_vector(const Head& head, int64_t row, int64_t column) {
  if (row >= head.rows || column >= head.columns) return uint4{0, 0, 0, 0};
  return *reinterpret_cast<const uint4*>(head.data + row * head.stride + column);
}

// to [rows][stride] = rows from `row` on, columns from `column` on, zeros beyond the head.
__device__ inline void load_rows(const Head& head, int64_t row, int column, int rows, int columns, int stride,
                                 uint16_t* to) {
  const int vectors = columns / kVector;
  for (int i = thread_index(); i < rows * vectors; i += block_threads()) {
    const int to_row = i / vectors;
    const int to_column = i % vectors * kVector;
    *reinterpret_cast<uint4*>(to + to_row * stride + to_column) = read_vector(head, row + to_row, column + to_column);
  }
}

// to [kPart][kStride] = the transpose of kKeys rows from `row` on and kPart columns from `column` on. A warp takes all
// pairs of keys for 8 columns.
__device__ inline void load_transposed(const Head& head, int64_t row, int column, uint16_t* to) {
  static_assert(kKeys / 2 == kWarp);
  const int pair = 2 * (thread_index() % kWarp);
  for (int first = thread_index() / kWarp * kVector; first < kPart; first += kWarps * kVector) {
    const uint4 even = read_vector(head, row + pair, column + first);
    const uint4 odd = read_vector(head, row + pair + 1, column + first);
    const uint32_t evens[4] = {even.x, even.y, even.z, even.w};
    const uint32_t odds[4] = {odd.x, odd.y, odd.z, odd.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      uint16_t* const at = to + (first + 2 * i) * kStride + pair;
      *reinterpret_cast<uint32_t*>(at) = (evens[i] & 0xFFFFu) | odds[i] << 16;
      *reinterpret_cast<uint32_t*>(at + kStride) = evens[i] >> 16 | (odds[i] & 0xFFFF0000u);
    }
  }
}

__device__ inline uint32_t read_pair(const uint16_t* at) { return *reinterpret_cast<const uint32_t*>(at); }

// This lane's part of 16 rows and 16 columns from `at` on, as the left operand.
__device__ inline void read_left(const uint16_t* at, int stride, uint32_t (&a)[4]) {
  const int lane = thread_index() % kWarp;
  const uint16_t* const mine = at + lane / 4 * stride + lane % 4 * 2;
  a[0] = read_pair(mine);
  a[1] = read_pair(mine + 8 * stride);
  a[2] = read_pair(mine + 8);
  a[3] = read_pair(mine + 8 * stride + 8);
}

// Of 8 rows and 16 columns, the transpose as the right operand.
__device__ inline void read_right(const uint16_t* at, int stride, uint32_t (&b)[2]) {
  const int lane = thread_index() % kWarp;
  const uint16_t* const mine = at + lane / 4 * stride + lane % 4 * 2;
  b[0] = read_pair(mine);
  b[1] = read_pair(mine + 8);
}

// What a lane knows of its two queries, lane / 4 and lane / 4 + 8 of the warp's: of both, the four lanes of a quarter
// hold different columns.
template <int kParts>
struct Rows {
  float largest[2] = {Largest::kNeutral, Largest::kNeutral};
  float total[2] = {};
  float sums[kParts][kTiles][4] = {};
};

// scores of the warp's queries and kKeys keys from first_key on
template <typename T>
__device__ void multiply_keys(const Head& k, int64_t first_key, const uint16_t* queries, int query_stride, int depth,
                              uint16_t* tile, float (&scores)[kTiles][4]) {
  for (int column = 0; column < depth; column += kDepth) {
    __syncthreads();  // all have done with what lies there
    load_rows(k, first_key, column, kKeys, kDepth, kStride, tile);
    __syncthreads();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (column + step * kStep >= depth) break;
      uint32_t a[4];
      read_left(queries + column + step * kStep, query_stride, a);
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        uint32_t b[2];
        read_right(tile + n * kTile * kStride + step * kStep, kStride, b);
        multiply_add<T>(scores[n], a, b);
      }
    }
  }
}

// Scores become weights 2^(scale * (score - largest)); hidden keys weigh nothing. What was summed so far is scaled down
// to the new largest score. `visible`: keys from this tile's first one on that each of the two queries sees.
template <int kParts>
__device__ void weigh(float (&scores)[kTiles][4], float scale, const int64_t (&visible)[2], Rows<kParts>& rows) {
  const int first_column = thread_index() % 4 * 2;
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    float largest = rows.largest[row];
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float& score = scores[n][2 * row + i];
        score *= scale;
        if (n * kTile + first_column + i < visible[row]) largest = fmaxf(largest, score);
      }
    }
    largest = reduce_lanes<4>(largest, Largest());
    float total = 0.0f;
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float& score = scores[n][2 * row + i];
        score = n * kTile + first_column + i < visible[row] ? exp2f(score - largest) : 0.0f;
        total += score;
      }
    }
    const float factor = exp2f(rows.largest[row] - largest);
    rows.largest[row] = largest;
    rows.total[row] = rows.total[row] * factor + reduce_lanes<4>(total, Sum());
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        rows.sums[part][n][2 * row] *= factor;
        rows.sums[part][n][2 * row + 1] *= factor;
      }
    }
  }
}

// Adds weights times the values of kKeys keys from first_key on.
template <typename T, int kParts>
__device__ void add_values(const Head& v, int64_t first_key, int first_column, const float (&weights)[kTiles][4],
                           uint16_t* tile, Rows<kParts>& rows) {
  uint32_t a[kSteps][4];
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const float(&low)[4] = weights[2 * step];
    const float(&high)[4] = weights[2 * step + 1];
    a[step][0] = packed<T>(low[0], low[1]);
    a[step][1] = packed<T>(low[2], low[3]);
    a[step][2] = packed<T>(high[0], high[1]);
    a[step][3] = packed<T>(high[2], high[3]);
  }
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    const int column = first_column + part * kPart;
    if (column >= v.columns) break;
    __syncthreads();
    load_transposed(v, first_key, column, tile);
    __syncthreads();
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      if (column + n * kTile >= v.columns) break;
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        uint32_t b[2];
        read_right(tile + n * kTile * kStride + step * kStep, kStride, b);
        multiply_add<T>(rows.sums[part][n], a[step], b);
      }
    }
  }
}

// One block per tile of queries (x), image and head (y), and kParts parts of the values' columns (z).
// Shared: queries [kQueries][depth + kPadding], then a tile of keys or values.
template <typename T, int kParts>
__global__ void __launch_bounds__(kWarps* kWarp) tensor_attention_kernel(TensorArguments arguments, int depth) {
  const AttentionSizes& sizes = arguments.sizes;
  const int64_t stride = sizes.heads * sizes.head_dim;
  const int64_t image = blockIdx.y / sizes.heads;
  const int64_t column = blockIdx.y % sizes.heads * sizes.head_dim;
  const int64_t query_offset = image * sizes.queries * stride + column;
  const int64_t key_offset = image * sizes.keys * stride + column;
  const auto head = [&](const void* data, int64_t offset, int64_t rows) {
    return Head{static_cast<const uint16_t*>(data) + offset, stride, rows, static_cast<int>(sizes.head_dim)};
  };
  const Head k = head(arguments.k, key_offset, sizes.keys);
  const Head v = head(arguments.v, key_offset, sizes.keys);
  const int first_column = static_cast<int>(blockIdx.z) * kParts * kPart;
  const int query_stride = depth + kPadding;
  uint16_t* const queries = shared<uint16_t>();
  uint16_t* const tile = queries + kQueries * query_stride;
  const uint16_t* const warp_queries = queries + thread_index() / kWarp * kWarpQueries * query_stride;
  const int lane = thread_index() % kWarp;

  const int64_t first_query = static_cast<int64_t>(blockIdx.x) * kQueries;
  load_rows(head(arguments.q, query_offset, sizes.queries), first_query, 0, kQueries, depth, query_stride, queries);
  const int64_t own_query = first_query + thread_index() / kWarp * kWarpQueries + lane / 4;
  const int64_t after = first_query + kQueries;
  const int64_t last_key = arguments.is_causal && after < sizes.keys ? after : sizes.keys;
  Rows<kParts> rows;
  for (int64_t first_key = 0; first_key < last_key; first_key += kKeys) {
    float scores[kTiles][4] = {};
    multiply_keys<T>(k, first_key, warp_queries, query_stride, depth, tile, scores);
    int64_t visible[2];
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      const int64_t seen = own_query + 8 * row + 1;
      visible[row] = (arguments.is_causal && seen < sizes.keys ? seen : sizes.keys) - first_key;
    }
    weigh(scores, arguments.scale, visible, rows);
    add_values<T>(v, first_key, first_column, scores, tile, rows);
  }

#pragma unroll
  for (int row = 0; row < 2; ++row) {
    const int64_t query = own_query + 8 * row;
    if (query >= sizes.queries) continue;
    const float inverse = 1.0f / rows.total[row];
    uint16_t* const to = static_cast<uint16_t*>(arguments.out) + query_offset + query * stride;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        const int at = first_column + part * kPart + n * kTile + lane % 4 * 2;
        if (at >= v.columns) continue;
        const float(&sums)[4] = rows.sums[part][n];
        *reinterpret_cast<uint32_t*>(to + at) = packed<T>(sums[2 * row] * inverse, sums[2 * row + 1] * inverse);
      }
    }
  }
}

}  // namespace

bool tensor_attention_applies(DType type, int64_t head_dim, int capability) {
  constexpr int64_t kTuringBytes = 64 << 10;  // of shared memory; later cards have at least
  constexpr int64_t kLaterBytes = 99 << 10;
  const bool has_type = type == DType::f16 ? capability >= 75 : type == DType::bf16 && capability >= 80;
  return has_type && head_dim % kVector == 0 &&
         shared_bytes(head_dim) <= (capability >= 80 ? kLaterBytes : kTuringBytes);
}

void tensor_attention(Source q, Source k, Source v, const AttentionSizes& sizes, bool causal, Target out,
                      Stream stream) {
  if (sizes.n * sizes.heads * sizes.queries * sizes.head_dim == 0) return;
  constexpr float kLog2E = 1.44269504f;
  const TensorArguments arguments{.q = q.data,
                                  .k = k.data,
                                  .v = v.data,
                                  .out = out.data,
                                  .sizes = sizes,
                                  .scale = kLog2E / std::sqrt(static_cast<float>(sizes.head_dim)),
                                  .is_causal = causal};
  const int64_t parts = (sizes.head_dim + kPart - 1) / kPart;
  const int64_t parts_of_block = parts > 4 ? 4 : parts;
  const Grid grid{.x = (sizes.queries + kQueries - 1) / kQueries,
                  .y = sizes.n * sizes.heads,
                  .z = (parts + parts_of_block - 1) / parts_of_block};
  const auto launch_for = [&](auto element) {
    using T = decltype(element);
    const auto kernel = parts == 1   ? tensor_attention_kernel<T, 1>
                        : parts == 2 ? tensor_attention_kernel<T, 2>
                        : parts == 3 ? tensor_attention_kernel<T, 3>
                                     : tensor_attention_kernel<T, 4>;
    launch(kernel, grid, kWarps * kWarp, static_cast<size_t>(shared_bytes(sizes.head_dim)), stream, arguments,
           static_cast<int>(padded_dim(sizes.head_dim)));
  };
  if (q.type == DType::f16) return launch_for(__half());
  launch_for(__nv_bfloat16());
}

}  // namespace easel::cuda
