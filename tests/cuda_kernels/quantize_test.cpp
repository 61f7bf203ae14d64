// Rounding to numbers of 8 bits, and the scaling of their products, against exact references.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "easel/backend/cuda/kernels/quantize_kernels.h"
#include "tests/cuda_kernels/support.h"
#include "tests/support/eight_bits.h"

namespace easel::testing {
namespace {

using cuda::EightBits;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

ReducedNumbers reduced(EightBits numbers) {
  return numbers == EightBits::int8 ? ReducedNumbers::int8 : ReducedNumbers::fp8;
}

// What codes stand for, without their row's scale.
std::vector<float> decoded(const Operand& codes, EightBits numbers) {
  std::vector<float> values;
  for (const float byte : codes.values()) {  // of u8
    const auto code = static_cast<uint8_t>(byte);
    values.push_back(numbers == EightBits::int8 ? static_cast<float>(static_cast<int8_t>(code))
                                                : static_cast<float>(e4m3_value(code)));
  }
  return values;
}

// The nearest code by looking at all of them; of two, the even one.
uint8_t nearest_e4m3(float x) {
  uint8_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (int code = 0; code < 256; ++code) {
    const double value = e4m3_value(static_cast<uint8_t>(code));
    if (std::isnan(value) || std::signbit(value) != std::signbit(x)) continue;
    const double distance = std::abs(value - static_cast<double>(x));
    if (distance < least || (distance == least && code % 2 == 0)) {
      least = distance;
      best = static_cast<uint8_t>(code);
    }
  }
  return best;
}

struct Quantized {
  Operand codes, scales;
};

Quantized quantized(const Operand& x, int64_t rows, int64_t width, EightBits numbers) {
  Quantized out{Operand::empty(DType::u8, rows * width), Operand::empty(DType::f32, rows)};
  const auto run = [&] {
    cuda::quantize_rows(x.source(), rows, width, numbers, out.codes.address(),
                        static_cast<float*>(out.scales.address()), nullptr);
  };
  run_kernel(out.codes, run);
  run_kernel(out.scales, run);
  return out;
}

// A row whose scale is 1: its largest number is the largest code.
Quantized quantized_as_it_is(std::vector<float> x, EightBits numbers) {
  x.push_back(numbers == EightBits::int8 ? 127.0f : 448.0f);
  const auto width = static_cast<int64_t>(x.size());
  Quantized out = quantized(Operand(DType::f32, x), 1, width, numbers);
  EXPECT_EQ(out.scales.values(), std::vector<float>{1.0f});
  return out;
}

TEST(E4m3, EveryCodeIsItself) {
  std::vector<float> x;
  std::vector<float> codes;
  for (int code = 0; code < 256; ++code) {
    const double value = e4m3_value(static_cast<uint8_t>(code));
    if (std::isnan(value)) continue;
    x.push_back(static_cast<float>(value));
    codes.push_back(static_cast<float>(code));
  }
  ASSERT_EQ(x.size(), 254u);
  EXPECT_EQ(*std::max_element(x.begin(), x.end()), 448.0f);
  codes.push_back(0x7E);
  EXPECT_EQ(quantized_as_it_is(x, EightBits::e4m3).codes.values(), codes);
}

TEST(E4m3, BetweenTwoCodesTheNearerIsTakenAndInTheMiddleTheEvenOne) {
  std::vector<float> x;
  for (int code = 0; code < 0x7E; ++code) {
    const auto low = static_cast<float>(e4m3_value(static_cast<uint8_t>(code)));
    const auto high = static_cast<float>(e4m3_value(static_cast<uint8_t>(code + 1)));
    const float middle = (low + high) / 2;
    for (const float value : {middle, std::nextafter(middle, low), std::nextafter(middle, high)}) {
      x.push_back(value);
      x.push_back(-value);
    }
  }
  const std::vector<float> found = quantized_as_it_is(x, EightBits::e4m3).codes.values();
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(found[i], static_cast<float>(nearest_e4m3(x[i]))) << x[i];
    EXPECT_EQ(e4m3_value(nearest_e4m3(x[i])), e4m3_rounded(static_cast<double>(x[i]))) << x[i];
  }
}

TEST(Int8, HalvesAreRoundedToEvenAndTheLargestIsKept) {
  std::vector<float> x, expected;
  for (int code = -127; code <= 127; ++code) {
    x.push_back(static_cast<float>(code));
    expected.push_back(static_cast<float>(code));
    if (code == 127) break;
    const float half = static_cast<float>(code) + 0.5f;
    for (const float value : {half, std::nextafter(half, -kInfinity), std::nextafter(half, kInfinity)}) {
      x.push_back(value);
      expected.push_back(std::nearbyint(value));
    }
  }
  expected.push_back(127.0f);
  EXPECT_EQ(decoded(quantized_as_it_is(x, EightBits::int8).codes, EightBits::int8), expected);
}

class Quantization : public ::testing::TestWithParam<std::tuple<DType, EightBits>> {
 protected:
  DType type() const { return std::get<0>(GetParam()); }
  EightBits numbers() const { return std::get<1>(GetParam()); }

  // codes * scale == what the definition says, to the bit
  void expect_definition(const Quantized& found, const std::vector<float>& x, int64_t width) const {
    const std::vector<float> expected = rounded_rows(x, width, reduced(numbers()));
    const std::vector<float> codes = decoded(found.codes, numbers());
    const std::vector<float> scales = found.scales.values();
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(codes[i] * scales[i / static_cast<size_t>(width)], expected[i]) << i << ": " << x[i];
    }
  }
};

TEST_P(Quantization, RowsOfEveryWidthAndScale) {
  for (const int64_t width : {1, 3, 8, 40, 321, 2560}) {
    for (const int64_t offset : {0, 1}) {
      const int64_t rows = 9;
      std::vector<float> values = random_values(rows * width, 1);
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] *= std::ldexp(1.0f, static_cast<int>(i / static_cast<size_t>(width)) * 3 - 12);
      }
      const Operand x(type(), values, offset);
      expect_definition(quantized(x, rows, width, numbers()), x.values(), width);
    }
  }
}

TEST_P(Quantization, MoreRowsThanWarps) {
  const int64_t rows = 4 * 4096 + 3, width = 8;
  const Operand x(type(), random_values(rows * width, 2));
  expect_definition(quantized(x, rows, width, numbers()), x.values(), width);
}

TEST_P(Quantization, RowsOfZerosAndOfNumbersThatAreNotFinite) {
  const int64_t width = 40;
  const auto size = static_cast<size_t>(width);
  std::vector<float> values = random_values(6 * width, 3);
  std::fill_n(values.begin(), size, 0.0f);
  std::fill_n(values.begin() + static_cast<ptrdiff_t>(size), size, -0.0f);
  values[2 * size + 7] = kNan;
  values[3 * size] = kInfinity;
  values[4 * size + 39] = -kInfinity;
  const Quantized found = quantized(Operand(type(), values), 6, width, numbers());
  const std::vector<float> scales = found.scales.values();
  EXPECT_EQ(scales[0], 0.0f);
  EXPECT_EQ(scales[1], 0.0f);
  for (const size_t row : {2, 3, 4}) EXPECT_TRUE(std::isnan(scales[row])) << row;
  EXPECT_GT(scales[5], 0.0f);
  const std::vector<float> codes = found.codes.values();
  for (size_t i = 0; i < 5 * size; ++i) ASSERT_EQ(codes[i], 0.0f) << i;
}

TEST_P(Quantization, NumbersAtTheEndsOfF32) {
  const float least = std::numeric_limits<float>::min();
  for (const float scale : {least, std::numeric_limits<float>::denorm_min() * 8, least * 1000.0f, 3e38f}) {
    std::vector<float> values = random_values(16, 4);
    for (float& value : values) value *= scale;
    const Operand x(type(), values);
    bool is_finite = true;  // which it is not in f16
    for (const float value : x.values()) is_finite = is_finite && std::isfinite(value);
    if (is_finite) expect_definition(quantized(x, 1, 16, numbers()), x.values(), 16);
  }
}

TEST_P(Quantization, WeightsAsTheyLieInFiles) {
  const int64_t rows = 5, width = 256;
  const std::vector<float> values = random_values(rows * width, 5);
  for (const DType packed_type : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1}) {
    std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(packed_type, rows * width)));
    convert_from_f32(packed_type, values, bytes);
    std::vector<float> from(values.size());
    convert_to_f32(packed_type, bytes, from);
    for (const size_t offset : {0, 1}) {  // files align weights as they like
      std::vector<uint64_t> memory((bytes.size() + offset) / 8 + 4);
      auto* place = reinterpret_cast<std::byte*>(memory.data());
      while (reinterpret_cast<uintptr_t>(place) % 16 != 0) ++place;
      std::memcpy(place + offset, bytes.data(), bytes.size());
      Quantized out{Operand::empty(DType::u8, rows * width), Operand::empty(DType::f32, rows)};
      const auto run = [&] {
        cuda::quantize_weight(place + offset, packed_type, rows, width, numbers(), out.codes.address(),
                              static_cast<float*>(out.scales.address()), nullptr);
      };
      run_kernel(out.codes, run);
      run_kernel(out.scales, run);
      expect_definition(out, from, width);
    }
  }
}

// Sums as products leave them: exact in f32 if they are below 2^24.
Operand sums_of(EightBits numbers, std::span<const float> values) {
  if (numbers == EightBits::e4m3) return Operand(DType::f32, values);
  Operand sums = Operand::empty(DType::i32, static_cast<int64_t>(values.size()));
  std::vector<int32_t> integers;
  for (const float value : values) integers.push_back(static_cast<int32_t>(value));
  std::memcpy(sums.address(), integers.data(), integers.size() * sizeof(int32_t));
  return sums;
}

std::vector<float> random_sums(int64_t count, uint32_t seed) {
  std::vector<float> values = random_values(count, seed);
  for (float& value : values) value = std::nearbyint(value * 1e6f);
  return values;
}

cuda::ProductScales scales_of(const Operand& rows, const Operand& columns) {
  return {.rows = static_cast<const float*>(rows.address()), .columns = static_cast<const float*>(columns.address())};
}

TEST_P(Quantization, SumsAreScaledAndFinished) {
  for (const int64_t c : {1, 3, 8, 40, 321, 2560}) {
    const int64_t rows = 19;
    const std::vector<float> values = random_sums(rows * c, 6);
    const Operand sums = sums_of(numbers(), values);
    const Operand row_scales(DType::f32, random_values(rows, 7));
    std::vector<float> small = random_values(c, 8);
    for (float& value : small) value *= 1e-5f;
    const Operand column_scales(DType::f32, small);
    const Operand bias(DType::f16, random_values(c, 9));
    const Operand residual(type(), random_values(rows * c, 10));
    for (const bool is_plain : {true, false}) {
      std::vector<float> expected;
      for (int64_t i = 0; i < rows * c; ++i) {
        const auto row = static_cast<size_t>(i / c), column = static_cast<size_t>(i % c);
        const double scale = static_cast<double>(row_scales.values()[row]) * static_cast<double>(small[column]);
        double value = static_cast<double>(values[static_cast<size_t>(i)]) * scale;
        if (!is_plain) {
          value += static_cast<double>(bias.values()[column]);
          value = value / (1.0 + std::exp(-value)) + static_cast<double>(residual.values()[static_cast<size_t>(i)]);
        }
        expected.push_back(static_cast<float>(value));
      }
      cuda::ProductEnd end;
      if (!is_plain) {
        end = {.bias = bias.source(), .activation = Activation::silu, .residual = residual.source()};
      }
      Operand out = Operand::empty(type(), rows * c);
      run_kernel(out, [&] {
        cuda::scale_sums(sums.address(), numbers(), rows, c, scales_of(row_scales, column_scales), end, out.target(),
                         nullptr);
      });
      EXPECT_TENSOR_NEAR(out.values(), expected, kernel_tolerance(type(), 8)) << c;
    }
  }
}

TEST_P(Quantization, SumsAreGated) {
  for (const int64_t width : {1, 3, 8, 40, 321, 1280}) {
    const int64_t rows = 7;
    const std::vector<float> values = random_sums(rows * 2 * width, 11);
    const Operand sums = sums_of(numbers(), values);
    const Operand row_scales(DType::f32, random_values(rows, 12));
    std::vector<float> small = random_values(2 * width, 13);
    for (float& value : small) value *= 3e-6f;
    const Operand column_scales(DType::f32, small);
    const Operand bias(type(), random_values(2 * width, 14));
    const std::vector<float> biases = bias.values();
    std::vector<float> expected;
    for (int64_t row = 0; row < rows; ++row) {
      const auto at = [&](int64_t column) {
        const auto index = static_cast<size_t>(column);
        const double scale =
            static_cast<double>(row_scales.values()[static_cast<size_t>(row)]) * static_cast<double>(small[index]);
        return static_cast<double>(values[static_cast<size_t>(row * 2 * width) + index]) * scale +
               static_cast<double>(biases[index]);
      };
      for (int64_t i = 0; i < width; ++i) {
        const double gate = at(width + i);
        expected.push_back(static_cast<float>(at(i) * 0.5 * gate * (1.0 + std::erf(gate / std::sqrt(2.0)))));
      }
    }
    Operand out = Operand::empty(type(), rows * width);
    run_kernel(out, [&] {
      cuda::scale_sums_geglu(sums.address(), numbers(), rows, width, scales_of(row_scales, column_scales),
                             bias.source(), out.target(), nullptr);
    });
    EXPECT_TENSOR_NEAR(out.values(), expected, kernel_tolerance(type(), 8)) << width;
  }
}

// A number that is not finite makes its row's scale NaN, and that the row of the result, whatever the codes give.
TEST_P(Quantization, WhatIsNotFiniteIsSeenInTheResult) {
  const int64_t rows = 2, c = 16;
  const Operand sums = sums_of(numbers(), std::vector<float>(static_cast<size_t>(rows * c), 0.0f));
  const Operand row_scales(DType::f32, std::vector<float>{kNan, 1.0f});
  std::vector<float> columns(static_cast<size_t>(c), 1.0f);
  columns[5] = kNan;  // a damaged weight
  const Operand column_scales(DType::f32, columns);
  for (const Activation activation : {Activation::none, Activation::silu, Activation::relu}) {
    Operand out = Operand::empty(type(), rows * c);
    run_kernel(out, [&] {
      cuda::scale_sums(sums.address(), numbers(), rows, c, scales_of(row_scales, column_scales),
                       {.activation = activation}, out.target(), nullptr);
    });
    const std::vector<float> found = out.values();
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(std::isnan(found[i]), i < 16 || i % 16 == 5) << i;
  }
}

TEST_P(Quantization, NothingIsLaunchedForNoRows) {
  Operand out = Operand::empty(type(), 0);
  run_kernel(out, [&] {
    cuda::quantize_rows(out.source(), 0, 8, numbers(), nullptr, nullptr, nullptr);
    cuda::quantize_weight(nullptr, DType::f16, 0, 8, numbers(), nullptr, nullptr, nullptr);
    cuda::scale_sums(nullptr, numbers(), 0, 8, {}, {}, out.target(), nullptr);
    cuda::scale_sums_geglu(nullptr, numbers(), 0, 8, {}, {}, out.target(), nullptr);
  });
}

INSTANTIATE_TEST_SUITE_P(All, Quantization,
                         ::testing::Combine(::testing::ValuesIn(kElementTypes),
                                            ::testing::Values(EightBits::int8, EightBits::e4m3)),
                         [](const auto& info) {
                           const DType type = std::get<0>(info.param);
                           const std::string name = type == DType::f32 ? "f32" : type == DType::f16 ? "f16" : "bf16";
                           return name + (std::get<1>(info.param) == EightBits::int8 ? "_int8" : "_e4m3");
                         });

}  // namespace
}  // namespace easel::testing
