#include "easel/tensor/dtype.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace easel {
namespace {

constexpr uint32_t kHalves = 65536;

// The value of a half from its definition (IEEE 754, binary16).
double half_value(uint32_t bits) {
  const int exponent = static_cast<int>((bits >> 10) & 0x1F);
  const int mantissa = static_cast<int>(bits & 0x3FF);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

bool same(float actual, double expected) {
  if (std::isnan(expected)) return std::isnan(actual);
  return static_cast<double>(actual) == expected && std::signbit(actual) == std::signbit(expected);
}

std::vector<uint16_t> every_16_bits() {
  std::vector<uint16_t> bits(kHalves);
  for (uint32_t i = 0; i < kHalves; ++i) bits[i] = static_cast<uint16_t>(i);
  return bits;
}

// Runs `check` once for each instruction set that this processor has.
template <typename Check>
void for_each_target(Check check) {
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  for (const int64_t target : targets) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

template <typename T>
std::vector<float> converted(DType dtype, const std::vector<T>& values) {
  std::vector<float> out(values.size());
  convert_to_f32(dtype, std::as_bytes(std::span(values)), out);
  return out;
}

TEST(DType, SizesAndNamesAreThoseOfSafetensors) {
  const std::vector<std::tuple<DType, int64_t, std::string>> types{
      {DType::f16, 2, "F16"}, {DType::bf16, 2, "BF16"},   {DType::f32, 4, "F32"}, {DType::f64, 8, "F64"},
      {DType::i64, 8, "I64"}, {DType::i32, 4, "I32"},     {DType::i16, 2, "I16"}, {DType::i8, 1, "I8"},
      {DType::u8, 1, "U8"},   {DType::boolean, 1, "BOOL"}};
  for (const auto& [dtype, size, name] : types) {
    EXPECT_EQ(size_of(dtype), size) << name;
    EXPECT_EQ(name_of(dtype), name);
  }
}

TEST(Half, EveryValueConvertsToF32) {
  for (uint32_t bits = 0; bits < kHalves; ++bits) {
    ASSERT_TRUE(same(f32_from_f16(static_cast<uint16_t>(bits)), half_value(bits))) << std::hex << bits;
  }
}

TEST(Half, EveryValueConvertsToF32OnEveryInstructionSet) {
  const std::vector<uint16_t> halves = every_16_bits();
  for_each_target([&] {
    const std::vector<float> values = converted(DType::f16, halves);
    for (uint32_t bits = 0; bits < kHalves; ++bits) {
      ASSERT_TRUE(same(values[bits], half_value(bits))) << std::hex << bits << " gives " << values[bits];
    }
  });
}

TEST(Half, EveryValueSurvivesTheWayThereAndBack) {
  for (uint32_t bits = 0; bits < kHalves; ++bits) {
    const double value = half_value(bits);
    const uint16_t back = f16_from_f32(static_cast<float>(value));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(half_value(back)));
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

// Between each two neighbours: just below the middle, the middle (to the even one), just above it.
TEST(Half, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {  // the last neighbour is infinity, as if it were 65536
    const double low = half_value(bits);
    const double high = bits == 0x7BFF ? 65536.0 : half_value(bits + 1);
    const auto middle = static_cast<float>((low + high) / 2);
    const uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    for (const uint32_t sign : {0u, 0x8000u}) {
      const float unit = sign == 0 ? 1.0f : -1.0f;
      ASSERT_EQ(f16_from_f32(unit * std::nextafter(middle, 0.0f)), sign | bits) << bits;
      ASSERT_EQ(f16_from_f32(unit * middle), sign | even) << bits;
      ASSERT_EQ(f16_from_f32(unit * std::nextafter(middle, INFINITY)), sign | (bits + 1)) << bits;
    }
  }
}

TEST(Half, ExtremesOfF32) {
  EXPECT_EQ(f16_from_f32(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(f16_from_f32(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_EQ(f16_from_f32(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(f16_from_f32(-std::numeric_limits<float>::min()), 0x8000);
}

TEST(Half, ArraysConvertAsSingleValuesDo) {
  const std::vector<float> values{0.0f, -1.0f, 65519.0f, 65520.0f, 1e-8f, 0.1f, -3.14159f};
  std::vector<uint16_t> halves(values.size());
  convert_to_f16(values, halves);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(halves[i], f16_from_f32(values[i]));
}

TEST(Bfloat16, EveryValueConvertsToF32OnEveryInstructionSet) {
  const std::vector<uint16_t> bits = every_16_bits();
  for_each_target([&] {
    const std::vector<float> values = converted(DType::bf16, bits);
    for (uint32_t i = 0; i < kHalves; ++i) {
      const auto expected = std::bit_cast<float>(i << 16);
      ASSERT_TRUE(same(values[i], static_cast<double>(expected))) << std::hex << i;
    }
  });
}

TEST(ConvertToF32, EveryLengthAndAlignment) {
  std::vector<std::byte> bytes(4096);
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
    const auto size = static_cast<size_t>(size_of(dtype));
    for (const size_t offset : {0u, 1u, 3u}) {
      for (size_t count = 0; count < 600; count += count < 70 ? 1 : 97) {
        std::vector<uint32_t> expected(count);
        for (size_t i = 0; i < count; ++i) {
          expected[i] = static_cast<uint32_t>(i % 2 == 0 ? 0x3C00 + i : 0xBC00 + i);  // no NaN as any of the types
          std::memcpy(bytes.data() + offset + i * size, &expected[i], size);
        }
        std::vector<float> out(count + 1, -7.0f);
        convert_to_f32(dtype, std::span(bytes).subspan(offset, count * size), std::span(out).first(count));
        for (size_t i = 0; i < count; ++i) {
          const double value = dtype == DType::f16    ? half_value(expected[i])
                               : dtype == DType::bf16 ? static_cast<double>(std::bit_cast<float>(expected[i] << 16))
                                                      : static_cast<double>(std::bit_cast<float>(expected[i]));
          ASSERT_EQ(static_cast<double>(out[i]), value) << name_of(dtype) << " " << offset << " " << count << " " << i;
        }
        ASSERT_EQ(out[count], -7.0f);  // nothing is written behind the end
      }
    }
  }
}

TEST(ConvertToF32, OtherTypes) {
  EXPECT_EQ(converted(DType::f64, std::vector<double>{0.1, -1e300}), (std::vector<float>{0.1f, -INFINITY}));
  EXPECT_EQ(converted(DType::i64, std::vector<int64_t>{-1, 1LL << 40}), (std::vector<float>{-1.0f, 0x1p40f}));
  EXPECT_EQ(converted(DType::i32, std::vector<int32_t>{-7, 16777217}), (std::vector<float>{-7.0f, 16777216.0f}));
  EXPECT_EQ(converted(DType::i16, std::vector<int16_t>{-32768, 5}), (std::vector<float>{-32768.0f, 5.0f}));
  EXPECT_EQ(converted(DType::i8, std::vector<int8_t>{-128, 127}), (std::vector<float>{-128.0f, 127.0f}));
  EXPECT_EQ(converted(DType::u8, std::vector<uint8_t>{0, 255}), (std::vector<float>{0.0f, 255.0f}));
  EXPECT_EQ(converted(DType::boolean, std::vector<uint8_t>{0, 1}), (std::vector<float>{0.0f, 1.0f}));
}

TEST(ConvertToF32DeathTest, SizesMustAgree) {
  std::vector<float> out(3);
  const std::vector<std::byte> bytes(5);
  EXPECT_DEATH(convert_to_f32(DType::f16, bytes, out), "internal error");
}

}  // namespace
}  // namespace easel
