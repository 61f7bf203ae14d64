#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/int16_attention.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "easel/backend/cpu/attention_heads.h"
#include "easel/backend/cpu/int16_attention.h"
#include "easel/backend/cpu/int16_dot.h"
// Per-target code.
#include "easel/backend/cpu/simd_math-inl.h"

#ifndef EASEL_BACKEND_CPU_INT16_ATTENTION_ONCE
#define EASEL_BACKEND_CPU_INT16_ATTENTION_ONCE
namespace easel::cpu::int16 {

constexpr size_t kMaxHeadDim = 160;
constexpr size_t kPanel = 32;  // keys per panel of packed keys
constexpr size_t kQueryTile = 96;
constexpr size_t kQueryBlock = 12;  // queries whose scores and weights stay in the L1 cache
constexpr size_t kKeyTile = 256;

// The largest integers: of queries and keys, of weights, of values. Sums over kMaxHeadDim products of the first, and
// over kKeyTile products of a weight and a value, stay below 2^31.
constexpr float kScoreLevels = 3600.0f;
constexpr float kWeightLevels = 16383.0f;
constexpr float kValueLevels = 511.0f;
static_assert(kScoreLevels * kScoreLevels * kMaxHeadDim < 2147483648.0f);
static_assert(kWeightLevels * kValueLevels * kKeyTile < 2147483648.0f);

struct Sizes {
  size_t depth;        // head_dim rounded up to whole groups
  size_t columns;      // head_dim rounded up to whole vectors
  size_t padded_keys;  // keys rounded up to whole panels

  size_t packed_floats() const { return padded_keys * (depth + columns) / 2 + padded_keys + 2 * columns; }
  size_t scratch_floats() const {
    return kQueryTile * (depth / 2 + columns + 3) + kQueryBlock * (kKeyTile + kKeyTile / 2 + columns) + columns;
  }
};

inline Sizes sizes_for(size_t keys, size_t head_dim) {
  const auto round_up = [](size_t value, size_t step) { return (value + step - 1) / step * step; };
  return {.depth = round_up(head_dim, kInt16Group),
          .columns = round_up(head_dim, kInt16Lanes),
          .padded_keys = round_up(keys, kPanel)};
}

// One head of one image. The same number for all keys may be taken from their scores: so keys are packed without
// their mean, which is often larger than what differs between them.
struct Packed {
  Packed(float* memory, const Sizes& sizes)
      : key_scales(memory),
        value_scales(memory + sizes.padded_keys),
        mean(value_scales + sizes.columns),
        keys(reinterpret_cast<int16_t*>(mean + sizes.columns)),
        values(keys + sizes.padded_keys * sizes.depth) {}

  float* key_scales;    // [padded_keys]
  float* value_scales;  // [columns]
  float* mean;          // [columns], of the keys; NaN if a key or a value is not finite
  int16_t* keys;        // [padded_keys / kPanel, depth / kInt16Group, kPanel, kInt16Group]
  int16_t* values;      // [padded_keys / kInt16Group, columns, kInt16Group]
};

struct Head {
  const float* q;  // row t at q + t * row_stride
  float* out;
  size_t keys, head_dim, row_stride;
  float scale;  // of scores, in units of ln 2: the softmax is computed with powers of 2
};

}  // namespace easel::cpu::int16
#endif

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::int16::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace cpu::HWY_NAMESPACE;  // of simd_math-inl.h

HWY_INLINE float LargestMagnitude(const float* row, size_t count) {
  float largest = 0.0f;
  ForEachVector(count, [&](auto d, size_t i) {
    largest = std::max(largest, hn::GetLane(hn::MaxOfLanes(d, hn::Abs(hn::LoadU(d, row + i)))));
  });
  return largest;
}

// What numbers up to `largest` are divided by to become integers up to `levels`.
HWY_INLINE float ScaleFor(float largest, float levels) { return largest > 0.0f ? largest / levels : 1.0f; }

// row [count] / scale, rounded; NaN becomes some integer.
HWY_INLINE void RoundRow(const float* row, size_t count, float scale, int32_t* rounded) {
  ForEachVector(count, [&](auto d, size_t i) {
    const hn::RebindToSigned<decltype(d)> di;
    hn::StoreU(hn::NearestInt(hn::Mul(hn::LoadU(d, row + i), hn::Set(d, 1.0f / scale))), di, rounded + i);
  });
}

// k, v [keys, head_dim] with rows `row_stride` floats apart.
void Pack(const float* k, const float* v, const Head& head, const Sizes& sizes, const Packed& packed) {
  const size_t head_dim = head.head_dim;
  float row[kMaxHeadDim + kInt16Lanes] = {};
  int32_t rounded[kMaxHeadDim + kInt16Lanes] = {};
  std::fill_n(packed.mean, 2 * sizes.columns, 0.0f);
  std::fill_n(packed.value_scales, sizes.columns, 0.0f);
  for (size_t key = 0; key < head.keys; ++key) {
    const float spoiled = ZeroOrNan(v + key * head.row_stride, head_dim);
    ForEachVector(head_dim, [&](auto d, size_t c) {
      const auto key_part = hn::Add(hn::LoadU(d, k + key * head.row_stride + c), hn::Set(d, spoiled));
      hn::StoreU(hn::Add(hn::LoadU(d, packed.mean + c), key_part), d, packed.mean + c);
      hn::StoreU(hn::Max(hn::LoadU(d, packed.value_scales + c), hn::Abs(hn::LoadU(d, v + key * head.row_stride + c))),
                 d, packed.value_scales + c);
    });
  }
  for (size_t c = 0; c < sizes.columns; ++c) {
    packed.mean[c] /= static_cast<float>(head.keys);
    packed.value_scales[c] = ScaleFor(packed.value_scales[c], kValueLevels);
  }
  for (size_t key = 0; key < sizes.padded_keys; ++key) {
    const bool exists = key < head.keys;
    int16_t* const key_to = packed.keys + key / kPanel * kPanel * sizes.depth + key % kPanel * kInt16Group;
    int16_t* const value_to = packed.values + key / kInt16Group * kInt16Group * sizes.columns + key % kInt16Group;
    float scale = 0.0f;
    std::fill_n(rounded, sizes.depth, 0);
    if (exists) {
      ForEachVector(head_dim, [&](auto d, size_t c) {
        hn::StoreU(hn::Sub(hn::LoadU(d, k + key * head.row_stride + c), hn::LoadU(d, packed.mean + c)), d, row + c);
      });
      scale = ScaleFor(LargestMagnitude(row, head_dim), kScoreLevels);
      RoundRow(row, head_dim, scale, rounded);
    }
    packed.key_scales[key] = scale;
    for (size_t c = 0; c < sizes.depth; ++c)
      key_to[c / kInt16Group * kPanel * kInt16Group + c % kInt16Group] = static_cast<int16_t>(rounded[c]);

    std::fill_n(rounded, sizes.columns, 0);
    if (exists) {
      ForEachVector(head_dim, [&](auto d, size_t c) {
        hn::StoreU(hn::Div(hn::LoadU(d, v + key * head.row_stride + c), hn::LoadU(d, packed.value_scales + c)), d,
                   row + c);
      });
      RoundRow(row, head_dim, 1.0f, rounded);
    }
    for (size_t c = 0; c < sizes.columns; ++c) value_to[c * kInt16Group] = static_cast<int16_t>(rounded[c]);
  }
}

// 2^x for x <= 0 with a relative error below 3e-6, a tenth of a weight's rounding. A polynomial on [-1/2, 1/2].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp2Short(D d, V x) {
  x = hn::Max(x, hn::Set(d, -126.0f));
  const V shifted = hn::Add(x, hn::Set(d, kRoundingShift));
  const V r = hn::Sub(x, hn::Sub(shifted, hn::Set(d, kRoundingShift)));
  V p = hn::Set(d, 9.5701e-3f);
  p = hn::MulAdd(p, r, hn::Set(d, 5.591786e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 2.4024745e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 6.9312181e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 9.9999926e-1f));
  return TimesPowerOf2(d, p, shifted);
}

struct TileWeights {
  float maximum;  // of the tile's scores, in units of ln 2
  float sum;      // of the integers
};

// One row of scores [padded], as integers to be multiplied with `scale` and the keys' scales, becomes weights: integers
// up to kWeightLevels, in proportion to 2^(score - maximum). Keys from `visible` on weigh nothing.
HWY_INLINE TileWeights SoftmaxRow(int32_t* scores, const float* key_scales, float scale, size_t visible, size_t padded,
                                  int16_t* weights) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const size_t lanes = hn::Lanes(d);
  float* const scaled = reinterpret_cast<float*>(scores);
  auto largest = hn::Set(d, std::numeric_limits<float>::lowest());
  for (size_t j = 0; j < padded; j += lanes) {
    const auto score = hn::Mul(hn::ConvertTo(d, hn::LoadU(di, scores + j)), hn::LoadU(d, key_scales + j));
    if (j + lanes <= visible) largest = hn::Max(largest, score);
    hn::StoreU(score, d, scaled + j);
  }
  float maximum = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (size_t j = visible / lanes * lanes; j < visible; ++j) maximum = std::max(maximum, scaled[j]);
  std::fill(scaled + visible, scaled + padded, std::numeric_limits<float>::lowest());

  const auto factor = hn::Set(d, scale);
  const auto shift = hn::Set(d, -maximum * scale);
  const auto levels = hn::Set(d, kWeightLevels);
  const auto rounding = hn::Set(d, kRoundingShift);
  auto total = hn::Zero(d);  // of integers: exact
  for (size_t j = 0; j < padded; j += lanes) {
    const auto e = Exp2Short(d, hn::MulAdd(hn::LoadU(d, scaled + j), factor, shift));
    const auto weight = hn::MulAdd(e, levels, rounding);
    total = hn::Add(total, hn::Sub(weight, rounding));
    hn::StoreU(hn::TruncateTo(d16, hn::BitCast(du, weight)), d16, reinterpret_cast<uint16_t*>(weights + j));
  }
  return {.maximum = maximum * scale, .sum = hn::GetLane(hn::SumOfLanes(d, total))};
}

// Queries [first, first + rows) of one head, rows <= kQueryTile. Softmax over tiles of keys: the weights of each tile
// are in proportion to the tile's own largest, so that in a tile without large scores small ones still count.
void Attend(Int16Kernel multiply, const Head& head, const Sizes& sizes, const Packed& packed, size_t first, size_t rows,
            float* scratch) {
  const size_t columns = sizes.columns;
  float* const sums = scratch;  // [rows, columns], in units of the values' scales
  float* const query_scales = sums + kQueryTile * columns;
  float* const maximum = query_scales + kQueryTile;
  float* const total = maximum + kQueryTile;
  float* const row = total + kQueryTile;  // [columns]
  auto* const scores = reinterpret_cast<int32_t*>(row + columns);
  auto* const products = scores + kQueryBlock * kKeyTile;  // [kQueryBlock, columns]
  auto* const weights = reinterpret_cast<int16_t*>(products + kQueryBlock * columns);
  auto* const queries = weights + kQueryBlock * kKeyTile;  // [rows, depth]
  const float spoiled = ZeroOrNan(packed.mean, head.head_dim);

  for (size_t i = 0; i < rows; ++i) {
    const float* const from = head.q + (first + i) * head.row_stride;
    const float scale = ScaleFor(LargestMagnitude(from, head.head_dim), kScoreLevels);
    RoundRow(from, head.head_dim, scale, products);
    for (size_t c = 0; c < sizes.depth; ++c)
      queries[i * sizes.depth + c] = static_cast<int16_t>(c < head.head_dim ? products[c] : 0);
    query_scales[i] = scale * head.scale;
    maximum[i] = std::numeric_limits<float>::lowest();
    total[i] = spoiled + ZeroOrNan(from, head.head_dim);
  }
  std::fill_n(sums, rows * columns, 0.0f);

  for (size_t key = 0; key < head.keys; key += kKeyTile) {
    const size_t keys = std::min(kKeyTile, head.keys - key);
    const size_t padded = (keys + kPanel - 1) / kPanel * kPanel;
    for (size_t i = 0; i < rows; i += kQueryBlock) {
      const size_t block = std::min(kQueryBlock, rows - i);
      for (size_t j = 0; j < padded; j += kPanel) {
        multiply({.a = queries + i * sizes.depth,
                  .a_stride = sizes.depth,
                  .b = packed.keys + (key + j) * sizes.depth,
                  .rows = block,
                  .columns = kPanel,
                  .depth = sizes.depth},
                 scores + j, kKeyTile);
      }
      float before[kQueryBlock], now[kQueryBlock];  // factors of the sums so far, and of this tile's
      for (size_t r = 0; r < block; ++r) {
        const TileWeights tile = SoftmaxRow(scores + r * kKeyTile, packed.key_scales + key, query_scales[i + r], keys,
                                            padded, weights + r * kKeyTile);
        const float new_maximum = std::max(maximum[i + r], tile.maximum);
        before[r] = std::exp2(maximum[i + r] - new_maximum);
        now[r] = std::exp2(tile.maximum - new_maximum);
        total[i + r] = total[i + r] * before[r] + tile.sum * now[r];
        maximum[i + r] = new_maximum;
      }
      multiply({.a = weights,
                .a_stride = kKeyTile,
                .b = packed.values + key * columns,
                .rows = block,
                .columns = columns,
                .depth = padded},
               products, columns);
      for (size_t r = 0; r < block; ++r) {
        float* const to = sums + (i + r) * columns;
        ForEachVector(columns, [&](auto d, size_t c) {
          const hn::RebindToSigned<decltype(d)> di;
          const auto product = hn::ConvertTo(d, hn::LoadU(di, products + r * columns + c));
          const auto kept = hn::Mul(hn::LoadU(d, to + c), hn::Set(d, before[r]));
          hn::StoreU(hn::MulAdd(product, hn::Set(d, now[r]), kept), d, to + c);
        });
      }
    }
  }
  for (size_t i = 0; i < rows; ++i) {
    const float inverse = 1.0f / total[i];
    float* const to = head.out + (first + i) * head.row_stride;
    for (size_t c = 0; c < head.head_dim; ++c) to[c] = sums[i * columns + c] * packed.value_scales[c] * inverse;
  }
}

}  // namespace easel::cpu::int16::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {
namespace int16 {
namespace {
HWY_EXPORT(Pack);
HWY_EXPORT(Attend);
}  // namespace

// Below this many keys the packing and the rounding are not worth it.
constexpr int64_t kFewestKeys = 512;
}  // namespace int16

bool int16_attention_applies(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  return int16_variants().front().is_fast && !options.causal && k.dim(1) >= int16::kFewestKeys &&
         q.dim(2) / options.heads <= static_cast<int64_t>(int16::kMaxHeadDim);
}

AttentionMemory int16_attention_memory(int threads, const Tensor& q, const Tensor& k, int64_t heads) {
  const AttentionHeads split(q, k, heads);
  const int16::Sizes sizes = int16::sizes_for(split.keys, split.head_dim);
  return {.packed_floats = split.pairs * static_cast<int64_t>(sizes.packed_floats()),
          .scratch_floats = threads * static_cast<int64_t>(sizes.scratch_floats())};
}

void int16_attention(int threads, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                     Tensor& out) {
  const AttentionHeads split(q, k, options.heads);
  const int16::Sizes sizes = int16::sizes_for(split.keys, split.head_dim);
  const AttentionMemory memory = int16_attention_memory(threads, q, k, options.heads);
  Tensor packed_memory = Tensor::empty(q.device(), {memory.packed_floats});
  Tensor scratch = Tensor::empty(q.device(), {memory.scratch_floats});

  float* const packed_data = packed_memory.data().data();
  float* const out_data = out.data().data();
  const auto head_of = [&](int64_t pair) {
    return int16::Head{.q = q.data().data() + split.offset(pair, split.queries),
                       .out = out_data + split.offset(pair, split.queries),
                       .keys = split.keys,
                       .head_dim = split.head_dim,
                       .row_stride = split.width,
                       .scale = split.score_scale()};
  };
  const auto packed_of = [&](int64_t pair) {
    return int16::Packed(packed_data + static_cast<size_t>(pair) * sizes.packed_floats(), sizes);
  };
  parallel_items(threads, split.pairs, [&](int64_t pair, int) {
    const size_t from = split.offset(pair, split.keys);
    HWY_DYNAMIC_DISPATCH(int16::Pack)
    (k.data().data() + from, v.data().data() + from, head_of(pair), sizes, packed_of(pair));
  });

  float* const scratch_data = scratch.data().data();
  split.for_each_tile(threads, int16::kQueryTile, [&](int64_t pair, size_t first, size_t rows, size_t thread) {
    HWY_DYNAMIC_DISPATCH(int16::Attend)
    (int16_variants().front().kernel, head_of(pair), sizes, packed_of(pair), first, rows,
     scratch_data + thread * sizes.scratch_floats());
  });
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
