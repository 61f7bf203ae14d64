// Reading one element of a weight as files hold it, of any alignment; the formats are those of
// easel/tensor/{,super_}block_readers-inl.h, and so are the bits of the results.
#pragma once

#include "easel/backend/cuda/kernels/elements.cuh"

namespace easel::cuda {

using Bytes = const unsigned char*;

__device__ inline unsigned read_u16(Bytes from) { return from[0] | static_cast<unsigned>(from[1]) << 8; }
__device__ inline unsigned read_u32(Bytes from) { return read_u16(from) | read_u16(from + 2) << 16; }
__device__ inline float read_f16(Bytes from) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(read_u16(from))));
}

// Without contraction to a fused multiply-add: every device gives the same bits.
__device__ inline float scaled(float scale, int q) { return scale * static_cast<float>(q); }

// --- blocks of 32 elements -------------------------------------------------------------------------------------------

// Element j: byte j % 16 of 16 bytes holds element j in its low half, j + 16 in its high one.
__device__ inline int nibble(Bytes sixteen_bytes, int j) {
  return j < 16 ? sixteen_bytes[j] & 15 : sixteen_bytes[j - 16] >> 4;
}
__device__ inline int fifth_bit(Bytes word, int j) { return static_cast<int>(read_u32(word) >> j & 1u) << 4; }

__device__ inline float read_q8_0(Bytes block, int j) {  // d, 32 int8: d q
  return scaled(read_f16(block), static_cast<signed char>(block[2 + j]));
}
__device__ inline float read_q4_0(Bytes block, int j) {  // d, 16 bytes: d (q - 8)
  return scaled(read_f16(block), nibble(block + 2, j) - 8);
}
__device__ inline float read_q4_1(Bytes block, int j) {  // d, m, 16 bytes: d q + m
  return scaled(read_f16(block), nibble(block + 4, j)) + read_f16(block + 2);
}
__device__ inline float read_q5_0(Bytes block, int j) {  // d, a word of fifth bits, 16 bytes: d (q - 16)
  return scaled(read_f16(block), (nibble(block + 6, j) | fifth_bit(block + 2, j)) - 16);
}
__device__ inline float read_q5_1(Bytes block, int j) {  // d, m, a word of fifth bits, 16 bytes: d q + m
  return scaled(read_f16(block), nibble(block + 8, j) | fifth_bit(block + 4, j)) + read_f16(block + 2);
}

// --- blocks of 256 elements ------------------------------------------------------------------------------------------

// 16 bytes of scale (low) and minimum (high), 64 bytes of 2 bits, d, m: d s q - m minimum
__device__ inline float read_q2_k(Bytes block, int i) {
  const int both = block[i / 16];
  const int q = block[16 + 32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32)) & 3;
  const float minimum = scaled(read_f16(block + 82), both >> 4);
  return scaled(scaled(read_f16(block + 80), both & 15), q) - minimum;
}

// 32 bytes of third bits, 64 bytes of 2 bits, 12 bytes of scales, d: d s (q - 4)
__device__ inline float read_q3_k(Bytes block, int i) {
  const int half = i / 128;
  const int quarter = i % 128 / 32;
  const int low = block[32 + 32 * half + i % 32] >> (2 * quarter) & 3;
  const int third = block[i % 32] >> (4 * half + quarter) & 1;
  const Bytes scales = block + 96;
  const int run = i / 16;
  const int low_scale = run < 8 ? scales[run] & 15 : scales[run - 8] >> 4;
  const int high_scale = scales[8 + run % 4] >> (2 * (run / 4)) & 3;
  const int scale = (low_scale | high_scale << 4) - 32;
  return scaled(scaled(read_f16(block + 108), scale), (low | third << 2) - 4);
}

// d, m, 12 bytes of 6-bit scales and minima of 8 runs of 32 elements: d s q - m minimum, for q4_k and q5_k
__device__ inline float scale_and_shift(Bytes block, int run, int q) {
  const Bytes pairs = block + 4;
  const int scale = run < 4 ? pairs[run] & 63 : (pairs[run + 4] & 15) | pairs[run - 4] >> 6 << 4;
  const int minimum = run < 4 ? pairs[run + 4] & 63 : pairs[run + 4] >> 4 | pairs[run] >> 6 << 4;
  return scaled(scaled(read_f16(block), scale), q) - scaled(read_f16(block + 2), minimum);
}
__device__ inline float read_q4_k(Bytes block, int i) {  // then 128 bytes
  const int run = i / 32;
  return scale_and_shift(block, run, block[16 + 32 * (run / 2) + i % 32] >> (run % 2 * 4) & 15);
}
__device__ inline float read_q5_k(Bytes block, int i) {  // then 32 bytes of fifth bits, 128 bytes
  const int run = i / 32;
  const int low = block[48 + 32 * (run / 2) + i % 32] >> (run % 2 * 4) & 15;
  return scale_and_shift(block, run, low | (block[16 + i % 32] >> run & 1) << 4);
}

// 128 bytes of 4 low bits, 64 bytes of 2 high bits, 16 int8 scales, d: d s (q - 32)
__device__ inline float read_q6_k(Bytes block, int i) {
  const int half = i / 128;
  const int quarter = i % 128 / 32;
  const int low = block[64 * half + 32 * (quarter % 2) + i % 32] >> (quarter < 2 ? 0 : 4) & 15;
  const int high = block[128 + 32 * half + i % 32] >> (2 * quarter) & 3;
  const int scale = static_cast<signed char>(block[192 + i / 16]);
  return scaled(scaled(read_f16(block + 208), scale), (low | high << 4) - 32);
}

// Element `index` of a weight of `type`.
__device__ inline float read_weight(Bytes packed, DType type, int64_t index) {
  const auto j32 = static_cast<int>(index % 32);
  const auto j256 = static_cast<int>(index % 256);
  switch (type) {
    case DType::f16: return read_f16(packed + 2 * index);
    case DType::bf16: return __uint_as_float(read_u16(packed + 2 * index) << 16);
    case DType::q8_0: return read_q8_0(packed + index / 32 * 34, j32);
    case DType::q4_0: return read_q4_0(packed + index / 32 * 18, j32);
    case DType::q4_1: return read_q4_1(packed + index / 32 * 20, j32);
    case DType::q5_0: return read_q5_0(packed + index / 32 * 22, j32);
    case DType::q5_1: return read_q5_1(packed + index / 32 * 24, j32);
    case DType::q2_k: return read_q2_k(packed + index / 256 * 84, j256);
    case DType::q3_k: return read_q3_k(packed + index / 256 * 110, j256);
    case DType::q4_k: return read_q4_k(packed + index / 256 * 144, j256);
    case DType::q5_k: return read_q5_k(packed + index / 256 * 176, j256);
    case DType::q6_k: return read_q6_k(packed + index / 256 * 210, j256);
    default: return __uint_as_float(read_u32(packed + 4 * index));
  }
}

}  // namespace easel::cuda
