#include "easel/backend/cpu/int8_dot.h"

#include "easel/backend/cpu/vnni.h"

namespace easel::cpu {
namespace {

void plain_kernel(size_t rows, const uint8_t* a, size_t a_stride, const int8_t* panel, size_t depth, int32_t* c) {
  std::fill_n(c, rows * kInt8Width, 0);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t k = 0; k < depth; ++k) {
      const int32_t value = a[row * a_stride + k];
      const int8_t* const b = panel + k / kInt8Group * kInt8Width * kInt8Group + k % kInt8Group;
      for (size_t j = 0; j < kInt8Width; ++j) c[row * kInt8Width + j] += value * b[j * kInt8Group];
    }
  }
}

#if defined(__x86_64__)

template <size_t kRows>
EASEL_AVX512_VNNI inline void avx512_block(const uint8_t* a, size_t a_stride, const int8_t* panel, size_t depth,
                                           int32_t* c) {
  __m512i sum[kRows][2];
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = _mm512_setzero_si512();
  for (size_t k = 0; k < depth; k += kInt8Group) {
    const __m512i b0 = _mm512_loadu_si512(panel + k * kInt8Width);
    const __m512i b1 = _mm512_loadu_si512(panel + k * kInt8Width + 64);
    EASEL_UNROLL_BLOCK
    for (size_t i = 0; i < kRows; ++i) {
      const __m512i value = _mm512_set1_epi32(group_at(a + i * a_stride + k));
      sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], value, b0);
      sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], value, b1);
    }
  }
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) {
    _mm512_storeu_si512(c + i * kInt8Width, sum[i][0]);
    _mm512_storeu_si512(c + i * kInt8Width + 16, sum[i][1]);
  }
}

EASEL_AVX512_VNNI void avx512_vnni_kernel(size_t rows, const uint8_t* a, size_t a_stride, const int8_t* panel,
                                          size_t depth, int32_t* c) {
  const auto advance = [&](size_t done) {
    rows -= done;
    a += done * a_stride;
    c += done * kInt8Width;
  };
  if (rows >= 12) avx512_block<12>(a, a_stride, panel, depth, c), advance(12);
  if (rows >= 8) avx512_block<8>(a, a_stride, panel, depth, c), advance(8);
  if (rows >= 4) avx512_block<4>(a, a_stride, panel, depth, c), advance(4);
  if (rows >= 2) avx512_block<2>(a, a_stride, panel, depth, c), advance(2);
  if (rows >= 1) avx512_block<1>(a, a_stride, panel, depth, c);
}

// 256 bits wide: processors with VNNI but without AVX-512. 16 columns at a time.
template <size_t kRows>
EASEL_AVX_VNNI inline void avx_block(const uint8_t* a, size_t a_stride, const int8_t* panel, size_t depth, int32_t* c) {
  __m256i sum[kRows][2];
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_si256();
  for (size_t k = 0; k < depth; k += kInt8Group) {
    const __m256i b0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + k * kInt8Width));
    const __m256i b1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + k * kInt8Width + 32));
    EASEL_UNROLL_BLOCK
    for (size_t i = 0; i < kRows; ++i) {
      const __m256i value = _mm256_set1_epi32(group_at(a + i * a_stride + k));
      sum[i][0] = _mm256_dpbusd_avx_epi32(sum[i][0], value, b0);
      sum[i][1] = _mm256_dpbusd_avx_epi32(sum[i][1], value, b1);
    }
  }
  EASEL_UNROLL_BLOCK
  for (size_t i = 0; i < kRows; ++i) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + i * kInt8Width), sum[i][0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + i * kInt8Width + 8), sum[i][1]);
  }
}

EASEL_AVX_VNNI void avx_vnni_kernel(size_t rows, const uint8_t* a, size_t a_stride, const int8_t* panel, size_t depth,
                                    int32_t* c) {
  for (size_t column = 0; column < kInt8Width; column += 16) {
    const int8_t* const b = panel + column * kInt8Group;
    size_t row = 0;
    for (; row + 6 <= rows; row += 6)
      avx_block<6>(a + row * a_stride, a_stride, b, depth, c + row * kInt8Width + column);
    for (; row + 2 <= rows; row += 2)
      avx_block<2>(a + row * a_stride, a_stride, b, depth, c + row * kInt8Width + column);
    if (row < rows) avx_block<1>(a + row * a_stride, a_stride, b, depth, c + row * kInt8Width + column);
  }
}

// Without VNNI: bytes are widened to 16 bits, whose products and sums of two are exact. 16 columns of a row at a time:
// each register holds two partial sums of four columns.
EASEL_AVX2 void avx2_kernel(size_t rows, const uint8_t* a, size_t a_stride, const int8_t* panel, size_t depth,
                            int32_t* c) {
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < kInt8Width; column += 16) {
      __m256i sum[4];
      EASEL_UNROLL_BLOCK
      for (size_t j = 0; j < 4; ++j) sum[j] = _mm256_setzero_si256();
      for (size_t k = 0; k < depth; k += kInt8Group) {
        const __m128i group = _mm_set1_epi32(group_at(a + row * a_stride + k));
        const __m256i value = _mm256_cvtepu8_epi16(group);
        const int8_t* const b = panel + k * kInt8Width + column * kInt8Group;
        EASEL_UNROLL_BLOCK
        for (size_t j = 0; j < 4; ++j) {
          const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + j * 16));
          sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(value, _mm256_cvtepi8_epi16(bytes)));
        }
      }
      EASEL_UNROLL_BLOCK
      for (size_t j = 0; j < 4; j += 2) {
        // hadd works within halves of 128 bits: columns 0 1 4 5 | 2 3 6 7.
        const __m256i pairs = _mm256_hadd_epi32(sum[j], sum[j + 1]);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + row * kInt8Width + column + j * 4),
                            _mm256_permute4x64_epi64(pairs, 0xD8));
      }
    }
  }
}

#endif

std::vector<Int8Variant> find_variants() {
  std::vector<Int8Variant> variants;
#if defined(__x86_64__)
  if (has_avx512_vnni()) variants.push_back({"avx512-vnni", avx512_vnni_kernel, true});
  if (has_avx_vnni()) variants.push_back({"avx-vnni", avx_vnni_kernel, true});
  if (instruction_limit() != InstructionLimit::sse4 && __builtin_cpu_supports("avx2"))
    variants.push_back({"avx2", avx2_kernel, false});
#endif
  variants.push_back({"plain", plain_kernel, false});
  return variants;
}

}  // namespace

const std::vector<Int8Variant>& int8_variants() {
  static const std::vector<Int8Variant> variants = find_variants();
  return variants;
}

}  // namespace easel::cpu
