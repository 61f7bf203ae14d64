// Matrix products of any number of columns, from the register blocks of gemm-inl.h.
// Included by .cpp files between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_GEMM_WIDE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_GEMM_WIDE_INL_H_
#undef EASEL_BACKEND_CPU_GEMM_WIDE_INL_H_
#else
#define EASEL_BACKEND_CPU_GEMM_WIDE_INL_H_
#endif

#include <hwy/highway.h>

#include "easel/backend/cpu/gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Columns beyond whole vectors that GemmWide can take: AVX-512 computes half a vector in half the time.
HWY_INLINE constexpr size_t HalfVector() { return HWY_MAX_BYTES == 64 ? 8 : 0; }

// C [rows, HalfVector()] += A [rows, depth] * B [depth, HalfVector()], B's rows `b_stride` floats apart.
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
