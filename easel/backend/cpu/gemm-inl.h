// The matrix product's inner loop for one instruction set: a block of C stays in registers while the sum runs.
// Included by .cpp files between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_GEMM_INL_H_
#undef EASEL_BACKEND_CPU_GEMM_INL_H_
#else
#define EASEL_BACKEND_CPU_GEMM_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

// Register blocks stay in registers only if their loops are unrolled whole, which -O2 does not do by itself.
#define EASEL_UNROLL _Pragma("GCC unroll 16")

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Asks for the next activations while the products of the present ones run.
HWY_INLINE void PrefetchFloats(const float* from, size_t count) {
  constexpr size_t kFloatsPerCacheLine = 16;
  for (size_t i = 0; i < count; i += kFloatsPerCacheLine) hwy::Prefetch(from + i);
}

// Rows of a register block: with two vectors per row they fill the registers (32 with AVX-512, else 16).
HWY_INLINE constexpr size_t RowsPerBlock() { return HWY_MAX_BYTES >= 64 ? 12 : 6; }

// C [kRows, kVectors * lanes] (+)= A [kRows, depth] * B [depth, kVectors * lanes].
// B is packed: depth rows of kVectors whole vectors, `b_stride` floats apart.
template <size_t kRows, size_t kVectors, class D = hn::ScalableTag<float>>
HWY_INLINE void GemmBlock(const float* HWY_RESTRICT a, size_t a_stride, const float* HWY_RESTRICT b, size_t b_stride,
                          float* HWY_RESTRICT c, size_t c_stride, size_t depth, bool accumulate) {
  const D d;
  using V = hn::Vec<D>;
  const size_t lanes = hn::Lanes(d);
  V sum[kRows][kVectors];
  EASEL_UNROLL
  for (size_t i = 0; i < kRows; ++i) {
    EASEL_UNROLL
    for (size_t j = 0; j < kVectors; ++j) {
      sum[i][j] = accumulate ? hn::LoadU(d, c + i * c_stride + j * lanes) : hn::Zero(d);
    }
  }
  for (size_t k = 0; k < depth; ++k) {
    V row[kVectors];
    EASEL_UNROLL
    for (size_t j = 0; j < kVectors; ++j) row[j] = hn::LoadU(d, b + k * b_stride + j * lanes);
    EASEL_UNROLL
    for (size_t i = 0; i < kRows; ++i) {
      const V value = hn::Set(d, a[i * a_stride + k]);
      EASEL_UNROLL
      for (size_t j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(value, row[j], sum[i][j]);
    }
  }
  EASEL_UNROLL
  for (size_t i = 0; i < kRows; ++i) {
    EASEL_UNROLL
    for (size_t j = 0; j < kVectors; ++j) hn::StoreU(sum[i][j], d, c + i * c_stride + j * lanes);
  }
}

// The same for any number of rows up to kRows, in blocks of kRows, kFewerRows... rows: each is used at most once.
template <size_t kVectors, size_t kRows, size_t... kFewerRows>
HWY_INLINE void GemmInBlocks(size_t rows, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c,
                             size_t c_stride, size_t depth, bool accumulate) {
  if (rows >= kRows) {
    GemmBlock<kRows, kVectors>(a, a_stride, b, b_stride, c, c_stride, depth, accumulate);
    rows -= kRows;
    a += kRows * a_stride;
    c += kRows * c_stride;
  }
  if constexpr (sizeof...(kFewerRows) > 0) {
    if (rows > 0) GemmInBlocks<kVectors, kFewerRows...>(rows, a, a_stride, b, b_stride, c, c_stride, depth, accumulate);
  }
}

// The same for `rows` <= RowsPerBlock() and one or two vectors, or `rows` <= 2/3 RowsPerBlock() and three.
template <size_t kVectors>
HWY_INLINE void GemmRows(size_t rows, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c,
                         size_t c_stride, size_t depth, bool accumulate) {
  if constexpr (RowsPerBlock() == 6) {
    if constexpr (kVectors == 3) {
      GemmInBlocks<kVectors, 4, 2, 1>(rows, a, a_stride, b, b_stride, c, c_stride, depth, accumulate);
    } else {
      GemmInBlocks<kVectors, 6, 4, 2, 1>(rows, a, a_stride, b, b_stride, c, c_stride, depth, accumulate);
    }
  } else if constexpr (kVectors == 3) {
    GemmInBlocks<kVectors, 8, 4, 2, 1>(rows, a, a_stride, b, b_stride, c, c_stride, depth, accumulate);
  } else {
    GemmInBlocks<kVectors, 12, 8, 4, 2, 1>(rows, a, a_stride, b, b_stride, c, c_stride, depth, accumulate);
  }
}

// The same for a panel, which is two vectors wide, and `rows` <= RowsPerBlock().
HWY_INLINE void GemmPanel(size_t rows, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c,
                          size_t c_stride, size_t depth, bool accumulate) {
  GemmRows<2>(rows, a, a_stride, b, b_stride, c, c_stride, depth, accumulate);
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
