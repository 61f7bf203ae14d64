// Rounding to blocks, as the reference implementation of the types does it, operation by operation.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "easel/base/error.h"
#include "easel/tensor/blocks.h"

namespace easel {
namespace {

constexpr size_t kElements = 32;
constexpr size_t kHalf = kElements / 2;

using Values = std::span<const float, kElements>;

void write_half(float value, std::byte* to) {
  const uint16_t bits = f16_from_f32(value);
  std::memcpy(to, &bits, sizeof bits);
}

// 0 for a scale so small that its half is 0 and its inverse infinite.
float inverse(float scale) { return std::abs(scale) < std::numeric_limits<float>::min() ? 0.0f : 1.0f / scale; }

void quantize_q8_0(Values x, std::byte* to) {
  float largest = 0.0f;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  const float d = largest / 127.0f;
  const float id = inverse(d);
  write_half(d, to);
  for (size_t i = 0; i < kElements; ++i) to[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[i] * id)));
}

// The first of those with the largest magnitude, with its sign.
float extreme(Values x) {
  float largest = 0.0f;
  float value = 0.0f;
  for (const float candidate : x) {
    if (std::abs(candidate) <= largest) continue;
    largest = std::abs(candidate);
    value = candidate;
  }
  return value;
}

// Bits 0 to 3 of q[i] into 16 bytes, in the order that block_readers-inl.h tells.
void write_nibbles(std::span<const uint8_t, kElements> q, std::byte* to) {
  for (size_t i = 0; i < kHalf; ++i) to[i] = static_cast<std::byte>((q[i] & 15) | ((q[i + kHalf] & 15) << 4));
}

void write_fifth_bits(std::span<const uint8_t, kElements> q, std::byte* to) {
  uint32_t bits = 0;
  for (size_t i = 0; i < kElements; ++i) bits |= static_cast<uint32_t>(q[i] >> 4) << i;
  std::memcpy(to, &bits, sizeof bits);
}

// x = d (q - levels / 2): q4_0 with 16 levels, q5_0 with 32.
void quantize_around_zero(Values x, int levels, std::byte* to) {
  const int half = levels / 2;
  const float d = extreme(x) / static_cast<float>(-half);
  const float id = inverse(d);
  uint8_t q[kElements];
  for (size_t i = 0; i < kElements; ++i) {
    const float scaled = x[i] * id;
    const auto level = static_cast<int8_t>(scaled + (static_cast<float>(half) + 0.5f));
    q[i] = static_cast<uint8_t>(std::min<int>(levels - 1, level));
  }
  write_half(d, to);
  if (levels > 16) write_fifth_bits(q, to + 2);
  write_nibbles(q, to + (levels > 16 ? 6 : 2));
}

// x = d q + m: q4_1 with 16 levels, q5_1 with 32.
void quantize_from_minimum(Values x, int levels, std::byte* to) {
  const auto [minimum, maximum] = std::minmax_element(x.begin(), x.end());
  const float d = (*maximum - *minimum) / static_cast<float>(levels - 1);
  const float id = inverse(d);
  uint8_t q[kElements];
  for (size_t i = 0; i < kElements; ++i) {
    const float scaled = (x[i] - *minimum) * id;
    q[i] = static_cast<uint8_t>(std::min<int>(levels - 1, static_cast<int8_t>(scaled + 0.5f)));
  }
  write_half(d, to);
  write_half(*minimum, to + 2);
  if (levels > 16) write_fifth_bits(q, to + 4);
  write_nibbles(q, to + (levels > 16 ? 8 : 4));
}

}  // namespace

bool can_quantize(DType dtype) { return is_quantized(dtype) && block_of(dtype).elements == kElements; }

void quantize(DType dtype, std::span<const float> values, std::span<std::byte> bytes) {
  EASEL_ASSERT(can_quantize(dtype));
  EASEL_ASSERT(static_cast<int64_t>(bytes.size()) == bytes_of(dtype, static_cast<int64_t>(values.size())));
  const auto block_bytes = static_cast<size_t>(block_of(dtype).bytes);
  for (size_t block = 0; block * kElements < values.size(); ++block) {
    const auto x = values.subspan(block * kElements).first<kElements>();
    std::byte* const to = bytes.data() + block * block_bytes;
    switch (dtype) {
      case DType::q8_0: quantize_q8_0(x, to); break;
      case DType::q4_0: quantize_around_zero(x, 16, to); break;
      case DType::q5_0: quantize_around_zero(x, 32, to); break;
      case DType::q4_1: quantize_from_minimum(x, 16, to); break;
      case DType::q5_1: quantize_from_minimum(x, 32, to); break;
      default: EASEL_ASSERT(false);
    }
  }
}

}  // namespace easel
