#include "easel/backend/cpu/int16_dot.h"

#include "easel/backend/cpu/vnni.h"

namespace easel::cpu {
namespace {

void plain_kernel(const Int16Product& product, int32_t* c, size_t c_stride) {
  for (size_t row = 0; row < product.rows; ++row) {
    std::fill_n(c + row * c_stride, product.columns, 0);
    for (size_t k = 0; k < product.depth; ++k) {
      const int32_t value = product.a[row * product.a_stride + k];
      const int16_t* const b = product.b + k / kInt16Group * product.columns * kInt16Group + k % kInt16Group;
      for (size_t j = 0; j < product.columns; ++j) c[row * c_stride + j] += value * b[j * kInt16Group];
    }
  }
}

#if defined(__x86_64__)

// C [kRows, kVectors vectors] from the column `column` on.
template <size_t kRows, size_t kVectors>
EASEL_AVX512_VNNI inline void avx512_block(const Int16Product& product, size_t row, size_t column, int32_t* c,
                                           size_t c_stride) {
  __m512i sum[kRows][kVectors];
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) {
    EASEL_UNROLL_BLOCK
    for (size_t j = 0; j < kVectors; ++j) sum[i][j] = _mm512_setzero_si512();
  }
  const int16_t* const a = product.a + row * product.a_stride;
  const int16_t* const b = product.b + column * kInt16Group;
  for (size_t k = 0; k < product.depth; k += kInt16Group) {
    __m512i values[kVectors];
    EASEL_UNROLL_BLOCK
    for (size_t j = 0; j < kVectors; ++j) values[j] = _mm512_loadu_si512(b + k * product.columns + j * 32);
    EASEL_UNROLL_BLOCK
    for (size_t i = 0; i < kRows; ++i) {
      const __m512i pair = _mm512_set1_epi32(group_at(a + i * product.a_stride + k));
      EASEL_UNROLL_BLOCK
      for (size_t j = 0; j < kVectors; ++j) sum[i][j] = _mm512_dpwssd_epi32(sum[i][j], pair, values[j]);
    }
  }
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) {
    EASEL_UNROLL_BLOCK
    for (size_t j = 0; j < kVectors; ++j) _mm512_storeu_si512(c + (row + i) * c_stride + column + j * 16, sum[i][j]);
  }
}

template <size_t kVectors>
EASEL_AVX512_VNNI inline void avx512_columns(const Int16Product& product, size_t column, int32_t* c, size_t c_stride) {
  constexpr size_t kMostRows = kVectors == 3 ? 8 : 12;  // that fill the 32 registers
  size_t row = 0;
  for (; row + kMostRows <= product.rows; row += kMostRows)
    avx512_block<kMostRows, kVectors>(product, row, column, c, c_stride);
  for (; row + 4 <= product.rows; row += 4) avx512_block<4, kVectors>(product, row, column, c, c_stride);
  for (; row < product.rows; ++row) avx512_block<1, kVectors>(product, row, column, c, c_stride);
}

// Three vectors of columns at a time where two would leave a single one.
EASEL_AVX512_VNNI void avx512_vnni_kernel(const Int16Product& product, int32_t* c, size_t c_stride) {
  size_t column = 0;
  while (column < product.columns) {
    const size_t vectors = (product.columns - column) / kInt16Lanes;
    if (vectors == 3 || vectors == 5) {
      avx512_columns<3>(product, column, c, c_stride), column += 3 * kInt16Lanes;
    } else if (vectors >= 2) {
      avx512_columns<2>(product, column, c, c_stride), column += 2 * kInt16Lanes;
    } else {
      avx512_columns<1>(product, column, c, c_stride), column += kInt16Lanes;
    }
  }
}

// 256 bits wide: processors with VNNI but without AVX-512.
template <size_t kRows>
EASEL_AVX_VNNI inline void avx_block(const Int16Product& product, size_t row, size_t column, int32_t* c,
                                     size_t c_stride) {
  __m256i sum[kRows][2];
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_si256();
  const int16_t* const a = product.a + row * product.a_stride;
  const int16_t* const b = product.b + column * kInt16Group;
  for (size_t k = 0; k < product.depth; k += kInt16Group) {
    const auto* const values = reinterpret_cast<const __m256i*>(b + k * product.columns);
    const __m256i b0 = _mm256_loadu_si256(values);
    const __m256i b1 = _mm256_loadu_si256(values + 1);
    EASEL_UNROLL_BLOCK
    for (size_t i = 0; i < kRows; ++i) {
      const __m256i pair = _mm256_set1_epi32(group_at(a + i * product.a_stride + k));
      sum[i][0] = _mm256_dpwssd_avx_epi32(sum[i][0], pair, b0);
      sum[i][1] = _mm256_dpwssd_avx_epi32(sum[i][1], pair, b1);
    }
  }
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) {
    auto* const to = reinterpret_cast<__m256i*>(c + (row + i) * c_stride + column);
    _mm256_storeu_si256(to, sum[i][0]);
    _mm256_storeu_si256(to + 1, sum[i][1]);
  }
}

EASEL_AVX_VNNI void avx_vnni_kernel(const Int16Product& product, int32_t* c, size_t c_stride) {
  for (size_t column = 0; column < product.columns; column += kInt16Lanes) {
    size_t row = 0;
    for (; row + 6 <= product.rows; row += 6) avx_block<6>(product, row, column, c, c_stride);
    for (; row < product.rows; ++row) avx_block<1>(product, row, column, c, c_stride);
  }
}

#endif

std::vector<Int16Variant> find_variants() {
  std::vector<Int16Variant> variants;
#if defined(__x86_64__)
  if (has_avx512_vnni()) variants.push_back({"avx512-vnni", avx512_vnni_kernel, true});
  if (has_avx_vnni()) variants.push_back({"avx-vnni", avx_vnni_kernel, true});
#endif
  variants.push_back({"plain", plain_kernel, false});
  return variants;
}

}  // namespace

const std::vector<Int16Variant>& int16_variants() {
  static const std::vector<Int16Variant> variants = find_variants();
  return variants;
}

}  // namespace easel::cpu
