// Bringing weights into the order that the inner loop of gemm-inl.h reads: panels [depth, PanelWidth()] of f32.
// Included by .cpp files between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_PACK_INL_H_
#undef EASEL_BACKEND_CPU_PACK_INL_H_
#else
#define EASEL_BACKEND_CPU_PACK_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "easel/backend/cpu/weight_readers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Columns of a panel: two vectors.
HWY_INLINE size_t PanelWidth() { return 2 * hn::Lanes(hn::ScalableTag<float>()); }

inline constexpr size_t kPackChunk = 64;  // columns transposed at a time, so that the scratch stays in the L1 cache
inline constexpr size_t kPrefetchAhead = 256;  // columns; rows lie far apart, so the processor does not foresee them
inline constexpr size_t kCacheLineBytes = 64;

// Four rows at a time are interleaved into groups [chunk, 4]; the groups are then laid side by side.
template <class Reader>
void PackChunk(const WeightRows& weight, size_t first_row, size_t rows, size_t first_column, size_t columns,
               float* panel) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> d4;
  const size_t lanes = hn::Lanes(d);
  const size_t width = PanelWidth();
  HWY_ALIGN float groups[8][kPackChunk * 4];
  HWY_ALIGN float rest[4][16];
  const size_t row_bytes = BytesOf<Reader>(weight.row_elements);
  for (size_t group = 0; group * 4 < width; ++group) {
    const std::byte* row[4];
    bool inside[4];
    for (size_t i = 0; i < 4; ++i) {
      inside[i] = group * 4 + i < rows;
      row[i] = weight.bytes + (first_row + (inside[i] ? group * 4 + i : 0)) * row_bytes;
    }
    const auto load = [&](size_t i, size_t column) {
      return inside[i] ? Reader::Load(d, row[i], first_column + column) : hn::Zero(d);
    };
    size_t column = 0;
    for (; column + lanes <= columns; column += lanes) {
      hn::StoreInterleaved4(load(0, column), load(1, column), load(2, column), load(3, column), d,
                            groups[group] + column * 4);
    }
    if (Reader::kElements > 1 || column == columns) continue;  // blocks are whole vectors
    // The last columns: only whole elements inside the row may be read.
    for (size_t i = 0; i < 4; ++i) {
      std::byte tail[16 * 4] = {};
      if (inside[i]) {
        std::memcpy(tail, row[i] + (first_column + column) * Reader::kBytes, (columns - column) * Reader::kBytes);
      }
      hn::StoreU(Reader::Load(d, tail, 0), d, rest[i]);
    }
    for (size_t k = column; k < columns; ++k) {
      for (size_t i = 0; i < 4; ++i) groups[group][k * 4 + i] = rest[i][k - column];
    }
  }
  if (width < 4) {  // without vector instructions
    for (size_t k = 0; k < columns; ++k) std::copy_n(groups[0] + k * 4, width, panel + k * width);
    return;
  }
  for (size_t k = 0; k < columns; ++k) {
    for (size_t group = 0; group * 4 < width; ++group) {
      hn::StoreU(hn::Load(d4, groups[group] + k * 4), d4, panel + k * width + group * 4);
    }
  }
}

// Asks for `bytes` bytes of each row, which lie far apart, so that packing them later does not wait for memory.
template <class Reader>
HWY_INLINE void PrefetchRows(const WeightRows& weight, size_t first_row, size_t rows, size_t first_column,
                             size_t columns) {
  if (first_column >= weight.row_elements) return;
  const size_t bytes = BytesOf<Reader>(std::min(columns, weight.row_elements - first_column));
  for (size_t i = 0; i < rows; ++i) {
    const std::byte* const from =
        weight.bytes + (first_row + i) * BytesOf<Reader>(weight.row_elements) + BytesOf<Reader>(first_column);
    for (size_t offset = 0; offset < bytes; offset += kCacheLineBytes) hwy::Prefetch(from + offset);
  }
}

// Rows [first_row, first_row + rows) and columns [first_column, first_column + columns) of the weight, in quantised
// weights multiples of 32 -> panel [columns, PanelWidth()]; missing rows become zeros.
template <class Reader>
void PackPanelOf(const WeightRows& weight, size_t first_row, size_t rows, size_t first_column, size_t columns,
                 float* panel) {
  for (size_t done = 0; done < columns; done += kPackChunk) {
    PrefetchRows<Reader>(weight, first_row, rows, first_column + done + kPrefetchAhead, kPackChunk);
    PackChunk<Reader>(weight, first_row, rows, first_column + done, std::min(kPackChunk, columns - done),
                      panel + done * PanelWidth());
  }
}

HWY_INLINE void PackPanel(const WeightRows& weight, size_t first_row, size_t rows, size_t first_column, size_t columns,
                          float* panel) {
  namespace blocks = easel::HWY_NAMESPACE;
  const auto pack = [&](auto reader) {
    PackPanelOf<decltype(reader)>(weight, first_row, rows, first_column, columns, panel);
  };
  switch (weight.type) {
    case WeightType::f16: return pack(F16Reader());
    case WeightType::bf16: return pack(Bf16Reader());
    case WeightType::f32: return pack(F32Reader());
    case WeightType::q8_0: return pack(blocks::Q8_0Reader());
    case WeightType::q4_0: return pack(blocks::Q4_0Reader());
    case WeightType::q4_1: return pack(blocks::Q4_1Reader());
    case WeightType::q5_0: return pack(blocks::Q5_0Reader());
    case WeightType::q5_1: return pack(blocks::Q5_1Reader());
    case WeightType::q2_k: return pack(blocks::Q2_KReader());
    case WeightType::q3_k: return pack(blocks::Q3_KReader());
    case WeightType::q4_k: return pack(blocks::Q4_KReader());
    case WeightType::q5_k: return pack(blocks::Q5_KReader());
    case WeightType::q6_k: return pack(blocks::Q6_KReader());
    default: EASEL_ASSERT(false);  // weight_rows() gives no others
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
