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

// Columns beyond whole vectors that GemmWide can take: AVX-512 computes half a vector in half the time.
HWY_INLINE constexpr size_t HalfVector() { return HWY_MAX_BYTES == 64 ? 8 : 0; }

// The same for HalfVector() columns and any number of rows: C += A * B.
HWY_INLINE void GemmHalf(size_t rows, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c,
                         size_t c_stride, size_t depth) {
  using D = hn::CappedTag<float, 8>;
  size_t row = 0;
  for (; row + 12 <= rows; row += 12) {
    GemmBlock<12, 1, D>(a + row * a_stride, a_stride, b, b_stride, c + row * c_stride, c_stride, depth, true);
  }
  for (; row < rows; ++row) {
    GemmBlock<1, 1, D>(a + row * a_stride, a_stride, b, b_stride, c + row * c_stride, c_stride, depth, true);
  }
}

// The same for any number of columns, whole vectors and at most HalfVector(): C [rows, columns] += A [rows, depth] *
// B [depth, columns]. Three vectors at a time where that leaves no single one, which would leave registers unused.
HWY_INLINE void GemmWide(size_t rows, size_t columns, const float* a, size_t a_stride, const float* b, size_t b_stride,
                         float* c, size_t c_stride, size_t depth) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<float>());
  size_t vectors = columns / lanes;
  if constexpr (HalfVector() > 0) {
    if (columns % lanes != 0) {
      GemmHalf(rows, a, a_stride, b + vectors * lanes, b_stride, c + vectors * lanes, c_stride, depth);
    }
  }
  constexpr size_t kRowsOfThree = RowsPerBlock() * 2 / 3;
  while (vectors > 0) {
    if (vectors == 3 || vectors == 5) {
      for (size_t row = 0; row < rows; row += kRowsOfThree) {
        GemmRows<3>(HWY_MIN(kRowsOfThree, rows - row), a + row * a_stride, a_stride, b, b_stride, c + row * c_stride,
                    c_stride, depth, true);
      }
      vectors -= 3;
      b += 3 * lanes;
      c += 3 * lanes;
      continue;
    }
    for (size_t row = 0; row < rows; row += RowsPerBlock()) {
      const size_t block = HWY_MIN(RowsPerBlock(), rows - row);
      if (vectors == 1) {
        GemmRows<1>(block, a + row * a_stride, a_stride, b, b_stride, c + row * c_stride, c_stride, depth, true);
      } else {
        GemmPanel(block, a + row * a_stride, a_stride, b, b_stride, c + row * c_stride, c_stride, depth, true);
      }
    }
    const size_t done = HWY_MIN(vectors, size_t{2});
    vectors -= done;
    b += done * lanes;
    c += done * lanes;
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
