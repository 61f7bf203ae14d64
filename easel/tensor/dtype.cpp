#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/tensor/dtype.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <array>
#include <cstring>
#include <limits>

#include "easel/base/error.h"
#include "easel/tensor/blocks.h"
#include "easel/tensor/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace easel::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void F16ToF32(const uint16_t* in, float* out, size_t count) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  const hn::Rebind<uint16_t, decltype(df)> du;
  const auto infinity = hn::Set(df, std::numeric_limits<float>::infinity());
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::PromoteTo(df, hn::BitCast(dh, hn::LoadU(du, in + i)));
    // Where the processor lacks the instruction, Highway takes infinity and NaN for 65536 and more: set the exponent.
    const auto special = hn::IfThenElseZero(hn::Ge(hn::Abs(value), hn::Set(df, 65536.0f)), infinity);
    hn::StoreU(hn::Or(value, special), df, out + i);
  }
  for (; i < count; ++i) out[i] = f32_from_f16(in[i]);
}

void Bf16ToF32(const uint16_t* in, float* out, size_t count) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du32;
  const hn::Rebind<uint16_t, decltype(df)> du;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto wide = hn::ShiftLeft<16>(hn::PromoteTo(du32, hn::LoadU(du, in + i)));
    hn::StoreU(hn::BitCast(df, wide), df, out + i);
  }
  for (; i < count; ++i) {
    const uint32_t bits = static_cast<uint32_t>(in[i]) << 16;
    std::memcpy(out + i, &bits, sizeof bits);
  }
}

}  // namespace easel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel {
namespace {

HWY_EXPORT(F16ToF32);
HWY_EXPORT(Bf16ToF32);

template <typename T>
void convert_elements(std::span<const std::byte> bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(value);
  }
}

// Runs `convert(const uint16_t*, float*, count)` over unaligned bytes through a small aligned buffer where needed.
template <typename Convert>
void convert_halves(std::span<const std::byte> bytes, std::span<float> out, Convert convert) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint16_t) == 0) {
    convert(reinterpret_cast<const uint16_t*>(bytes.data()), out.data(), out.size());
    return;
  }
  uint16_t aligned[512];
  for (size_t done = 0; done < out.size();) {
    const size_t count = std::min<size_t>(std::size(aligned), out.size() - done);
    std::memcpy(aligned, bytes.data() + done * sizeof(uint16_t), count * sizeof(uint16_t));
    convert(aligned, out.data() + done, count);
    done += count;
  }
}

// Round to nearest even; a NaN stays one.
uint16_t bf16_from_f32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace

Block block_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64: return {1, 8};
    case DType::f32:
    case DType::i32: return {1, 4};
    case DType::f16:
    case DType::bf16:
    case DType::i16: return {1, 2};
    case DType::i8:
    case DType::u8:
    case DType::boolean: break;
    case DType::q8_0: return {32, 34};
    case DType::q4_0: return {32, 18};
    case DType::q4_1: return {32, 20};
    case DType::q5_0: return {32, 22};
    case DType::q5_1: return {32, 24};
    case DType::q2_k: return {256, 84};
    case DType::q3_k: return {256, 110};
    case DType::q4_k: return {256, 144};
    case DType::q5_k: return {256, 176};
    case DType::q6_k: return {256, 210};
  }
  return {1, 1};
}

bool is_floating(DType dtype) {
  return dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f32 || dtype == DType::f64 ||
         is_quantized(dtype);
}

int64_t bytes_of(DType dtype, int64_t elements) {
  const Block block = block_of(dtype);
  EASEL_ASSERT(elements % block.elements == 0);
  return elements / block.elements * block.bytes;
}

int64_t size_of(DType dtype) {
  const Block block = block_of(dtype);
  EASEL_ASSERT(block.elements == 1);
  return block.bytes;
}

std::string_view name_of(DType dtype) {
  static constexpr std::array<std::string_view, 20> kNames{"F16",  "BF16", "F32",  "F64",  "I64",  "I32",  "I16",
                                                           "I8",   "U8",   "BOOL", "Q8_0", "Q4_0", "Q4_1", "Q5_0",
                                                           "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"};
  return kNames.at(static_cast<size_t>(dtype));
}

void convert_to_f32(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  EASEL_ASSERT(static_cast<int64_t>(bytes.size()) == bytes_of(dtype, static_cast<int64_t>(out.size())));
  switch (dtype) {
    case DType::f16: return convert_halves(bytes, out, HWY_DYNAMIC_DISPATCH(F16ToF32));
    case DType::bf16: return convert_halves(bytes, out, HWY_DYNAMIC_DISPATCH(Bf16ToF32));
    case DType::f32:
      if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
      return;
    case DType::f64: return convert_elements<double>(bytes, out);
    case DType::i64: return convert_elements<int64_t>(bytes, out);
    case DType::i32: return convert_elements<int32_t>(bytes, out);
    case DType::i16: return convert_elements<int16_t>(bytes, out);
    case DType::i8: return convert_elements<int8_t>(bytes, out);
    case DType::u8:
    case DType::boolean: return convert_elements<uint8_t>(bytes, out);
    default: return dequantize(dtype, bytes, out);
  }
}

void convert_from_f32(DType dtype, std::span<const float> values, std::span<std::byte> bytes) {
  if (is_quantized(dtype)) return quantize(dtype, values, bytes);
  EASEL_ASSERT(static_cast<int64_t>(bytes.size()) == bytes_of(dtype, static_cast<int64_t>(values.size())));
  for (size_t i = 0; i < values.size(); ++i) {
    std::byte* const to = bytes.data() + i * static_cast<size_t>(size_of(dtype));
    if (dtype == DType::f32) {
      std::memcpy(to, &values[i], sizeof(float));
    } else {
      EASEL_ASSERT(dtype == DType::f16 || dtype == DType::bf16);
      const uint16_t bits = dtype == DType::f16 ? f16_from_f32(values[i]) : bf16_from_f32(values[i]);
      std::memcpy(to, &bits, sizeof bits);
    }
  }
}

float f32_from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F;
  uint32_t mantissa = bits & 0x3FF;
  uint32_t out;
  if (exponent == 0x1F) {
    out = sign | 0x7F800000 | (mantissa << 13);
  } else if (exponent != 0) {
    out = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else if (mantissa == 0) {
    out = sign;
  } else {  // subnormal: normalise
    uint32_t shift = 0;
    while ((mantissa & 0x400) == 0) {
      mantissa <<= 1;
      ++shift;
    }
    out = sign | ((113 - shift) << 23) | ((mantissa & 0x3FF) << 13);
  }
  float value;
  std::memcpy(&value, &out, sizeof value);
  return value;
}

uint16_t f16_from_f32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude >= 0x7F800000) return static_cast<uint16_t>(sign | 0x7C00 | (magnitude > 0x7F800000 ? 0x200 : 0));
  if (magnitude >= 0x477FF000) return static_cast<uint16_t>(sign | 0x7C00);  // rounds to 65536 or more
  if (magnitude < 0x33000001) return sign;                                   // rounds to zero
  const uint32_t exponent = magnitude >> 23;
  const uint32_t mantissa = (magnitude & 0x7FFFFF) | 0x800000;
  const uint32_t shift = exponent >= 113 ? 13 : 126 - exponent;  // a subnormal result loses more bits
  const uint32_t half = 1u << (shift - 1);
  uint32_t rounded = mantissa >> shift;
  const uint32_t rest = mantissa & ((1u << shift) - 1);
  if (rest > half || (rest == half && (rounded & 1))) ++rounded;
  if (exponent >= 113) rounded += (exponent - 113) << 10;  // the implicit bit carries into the exponent field
  return static_cast<uint16_t>(sign | rounded);
}

void convert_to_f16(std::span<const float> values, std::span<uint16_t> out) {
  EASEL_ASSERT(values.size() == out.size());
  for (size_t i = 0; i < values.size(); ++i) out[i] = f16_from_f32(values[i]);
}

}  // namespace easel
#endif  // HWY_ONCE
