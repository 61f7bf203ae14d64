#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/attention.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "easel/backend/cpu/attention.h"
#include "easel/backend/cpu/attention_heads.h"
#include "easel/backend/cpu/weight_rows.h"
// Per-target code.
#include "easel/backend/cpu/gemm-inl.h"
#include "easel/backend/cpu/gemm_wide-inl.h"
#include "easel/backend/cpu/pack-inl.h"
#include "easel/backend/cpu/simd_math-inl.h"

#ifndef EASEL_BACKEND_CPU_ATTENTION_ONCE
#define EASEL_BACKEND_CPU_ATTENTION_ONCE
namespace easel::cpu {

// One head of one image. Keys and values are packed: keys transposed in panels of `panel` keys [keys / panel][head_dim]
// [panel], values [keys][width] with rows padded to whole vectors.
struct AttentionHead {
  const float* q;  // row t at q + t * row_stride
  float* out;
  const float* packed_keys;
  const float* packed_values;
  size_t queries, keys, head_dim, row_stride;
  float scale;  // of scores, in units of ln 2: the softmax is computed with powers of 2
  bool causal;
};

constexpr size_t kQueryTile = 96;
constexpr size_t kQueryBlock = 24;  // queries whose scores stay in the L1 cache; a multiple of register blocks
constexpr size_t kKeyTile = 256;

struct AttentionSizes {
  size_t panel;        // keys per panel of packed keys
  size_t value_width;  // head_dim rounded up to whole vectors, or halves of them
  size_t padded_keys;  // keys rounded up to whole panels
  size_t scratch;      // floats of scratch memory per thread
};

}  // namespace easel::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

AttentionSizes SizesFor(size_t keys, size_t head_dim) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<float>());
  const auto round_up = [](size_t value, size_t step) { return (value + step - 1) / step * step; };
  const size_t width = round_up(head_dim, HalfVector() > 0 ? HalfVector() : lanes);
  return {.panel = 2 * lanes,
          .value_width = width,
          .padded_keys = round_up(keys, 2 * lanes),
          .scratch = kQueryTile * (head_dim + width + 2) + kQueryBlock * kKeyTile};
}

// k, v [keys, head_dim] with rows `row_stride` floats apart -> packed forms. The value of a key that is not finite is
// NaN, so that it shows.
void PackHead(const float* k, const float* v, size_t keys, size_t head_dim, size_t row_stride,
              const AttentionSizes& sizes, float* packed_keys, float* packed_values) {
  const WeightRows rows{reinterpret_cast<const std::byte*>(k), WeightType::f32, row_stride};
  for (size_t first = 0; first < sizes.padded_keys; first += sizes.panel) {
    PackPanel(rows, first, std::min(sizes.panel, keys - std::min(keys, first)), 0, head_dim,
              packed_keys + first * head_dim);
  }
  for (size_t key = 0; key < sizes.padded_keys; ++key) {
    float* const row = packed_values + key * sizes.value_width;
    const size_t inside = key < keys ? head_dim : 0;
    std::copy_n(v + key * row_stride, inside, row);
    std::fill(row + inside, row + sizes.value_width, 0.0f);
    if (inside > 0 && std::isnan(ZeroOrNan(k + key * row_stride, head_dim))) {
      std::fill_n(row, head_dim, std::numeric_limits<float>::quiet_NaN());
    }
  }
}

// One row of scores, in units of ln 2, becomes 2^(score - maximum); the sum and the running maximum are updated and
// `factor` is what earlier sums must be multiplied with.
HWY_INLINE void SoftmaxRow(float* scores, size_t visible, size_t padded, float& maximum, float& sum, float& factor) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  std::fill(scores + visible, scores + padded, std::numeric_limits<float>::lowest());
  auto largest = hn::Set(d, maximum);
  for (size_t j = 0; j < padded; j += lanes) largest = hn::Max(largest, hn::LoadU(d, scores + j));
  const float new_maximum = hn::GetLane(hn::MaxOfLanes(d, largest));
  const auto shift = hn::Set(d, new_maximum);
  auto total = hn::Zero(d);
  for (size_t j = 0; j < padded; j += lanes) {
    const auto e = Exp2OfNegative(d, hn::Sub(hn::LoadU(d, scores + j), shift));
    if (j + lanes <= visible) total = hn::Add(total, e);
    hn::StoreU(e, d, scores + j);
  }
  if (const size_t whole = visible / lanes * lanes; whole < padded) {  // hidden keys weigh exactly nothing
    std::fill(scores + visible, scores + padded, 0.0f);
    if (whole < visible) total = hn::Add(total, hn::LoadU(d, scores + whole));
  }
  factor = std::exp2(maximum - new_maximum);
  sum = sum * factor + hn::GetLane(hn::SumOfLanes(d, total));
  maximum = new_maximum;
}

HWY_INLINE void ScaleRow(float* row, size_t width, float factor) {
  ForEachVector(width,
                [&](auto d, size_t c) { hn::StoreU(hn::Mul(hn::LoadU(d, row + c), hn::Set(d, factor)), d, row + c); });
}

// Queries [first, first + rows) of one head, rows <= kQueryTile.
void AttendTile(const AttentionHead& head, const AttentionSizes& sizes, size_t first, size_t rows, float* scratch) {
  const size_t width = sizes.value_width;
  float* queries = scratch;
  float* scores = queries + kQueryTile * head.head_dim;
  float* sums = scores + kQueryBlock * kKeyTile;
  float* maximum = sums + kQueryTile * width;
  float* total = maximum + kQueryTile;
  for (size_t i = 0; i < rows; ++i) {
    const float* from = head.q + (first + i) * head.row_stride;
    for (size_t c = 0; c < head.head_dim; ++c) queries[i * head.head_dim + c] = from[c] * head.scale;
    maximum[i] = std::numeric_limits<float>::lowest();
    total[i] = ZeroOrNan(from, head.head_dim);
  }
  std::fill(sums, sums + rows * width, 0.0f);
  const size_t last_key = head.causal ? std::min(head.keys, first + rows) : head.keys;
  for (size_t key = 0; key < last_key; key += kKeyTile) {
    const size_t keys = std::min(kKeyTile, last_key - key);
    const size_t padded = (keys + sizes.panel - 1) / sizes.panel * sizes.panel;
    for (size_t i = 0; i < rows; i += kQueryBlock) {
      const size_t block = std::min(kQueryBlock, rows - i);
      float* const block_scores = scores;  // [block, kKeyTile]
      for (size_t r = 0; r < block; r += RowsPerBlock()) {
        for (size_t j = 0; j < padded; j += sizes.panel) {
          GemmPanel(std::min(RowsPerBlock(), block - r), queries + (i + r) * head.head_dim, head.head_dim,
                    head.packed_keys + (key + j) * head.head_dim, sizes.panel, block_scores + r * kKeyTile + j,
                    kKeyTile, head.head_dim, false);
        }
      }
      for (size_t r = 0; r < block; ++r) {
        size_t visible = keys;
        if (head.causal) visible = first + i + r < key ? 0 : std::min(keys, first + i + r + 1 - key);
        if (visible == 0) {
          std::fill(block_scores + r * kKeyTile, block_scores + r * kKeyTile + padded, 0.0f);
          continue;
        }
        float factor;
        SoftmaxRow(block_scores + r * kKeyTile, visible, padded, maximum[i + r], total[i + r], factor);
        if (factor != 1.0f) ScaleRow(sums + (i + r) * width, width, factor);
      }
      GemmWide(block, width, block_scores, kKeyTile, head.packed_values + key * width, width, sums + i * width, width,
               padded);
    }
  }
  for (size_t i = 0; i < rows; ++i) {
    const float inverse = 1.0f / total[i];
    float* to = head.out + (first + i) * head.row_stride;
    for (size_t c = 0; c < head.head_dim; ++c) to[c] = sums[i * width + c] * inverse;
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {
namespace {
HWY_EXPORT(SizesFor);
HWY_EXPORT(PackHead);
HWY_EXPORT(AttendTile);
}  // namespace

AttentionMemory attention_memory(int threads, const Tensor& q, const Tensor& k, int64_t heads) {
  const AttentionHeads split(q, k, heads);
  const AttentionSizes sizes = HWY_DYNAMIC_DISPATCH(SizesFor)(split.keys, split.head_dim);
  return {.packed_floats = split.pairs * static_cast<int64_t>(sizes.padded_keys * (split.head_dim + sizes.value_width)),
          .scratch_floats = threads * static_cast<int64_t>(sizes.scratch)};
}

void attention(int threads, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
               Tensor& out) {
  const AttentionHeads split(q, k, options.heads);
  const AttentionSizes sizes = HWY_DYNAMIC_DISPATCH(SizesFor)(split.keys, split.head_dim);
  const AttentionMemory memory = attention_memory(threads, q, k, options.heads);
  Tensor packed = Tensor::empty(q.device(), {memory.packed_floats});
  Tensor scratch = Tensor::empty(q.device(), {memory.scratch_floats});

  const size_t keys_floats = sizes.padded_keys * split.head_dim;
  float* const packed_data = packed.data().data();
  const auto packed_keys = [&](int64_t pair) { return packed_data + pair * (memory.packed_floats / split.pairs); };
  parallel_items(threads, split.pairs, [&](int64_t pair, int) {
    const size_t from = split.offset(pair, split.keys);
    HWY_DYNAMIC_DISPATCH(PackHead)
    (k.data().data() + from, v.data().data() + from, split.keys, split.head_dim, split.width, sizes, packed_keys(pair),
     packed_keys(pair) + keys_floats);
  });

  float* const scratch_data = scratch.data().data();
  float* const out_data = out.data().data();
  split.for_each_tile(threads, kQueryTile, [&](int64_t pair, size_t first, size_t rows, size_t thread) {
    const AttentionHead head{.q = q.data().data() + split.offset(pair, split.queries),
                             .out = out_data + split.offset(pair, split.queries),
                             .packed_keys = packed_keys(pair),
                             .packed_values = packed_keys(pair) + keys_floats,
                             .queries = split.queries,
                             .keys = split.keys,
                             .head_dim = split.head_dim,
                             .row_stride = split.width,
                             .scale = split.score_scale(),
                             .causal = options.causal};
    HWY_DYNAMIC_DISPATCH(AttendTile)(head, sizes, first, rows, scratch_data + thread * sizes.scratch);
  });
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
