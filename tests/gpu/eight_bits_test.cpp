// Linear layers of 8-bit numbers on a card against the processor's products of factors that are rounded likewise.
// Skipped without a card that has them.
#include <cmath>
#include <limits>

#include "easel/base/log.h"
#include "tests/gpu/devices.h"
#include "tests/support/eight_bits.h"

namespace easel::testing {
namespace {

class EightBits : public ::testing::TestWithParam<std::tuple<ReducedNumbers, DType>> {
 protected:
  void SetUp() override {
    log::set_level(log::Level::debug);  // shows for which products cuBLASLt has no way
    processor_ = open_device({.threads = 2});
    try {
      card_ = open_device({.name = "cuda:0",
                           .activation_type = type(),
                           .reduced = {.numbers = numbers(), .allows = [](std::string_view) { return true; }}});
    } catch (const Error& error) {
      const bool lacks_numbers = error.code() == ErrorCode::invalid_request;
      GTEST_SKIP() << (lacks_numbers ? "" : "no card: ") << error.what();
    }
  }
  ~EightBits() override { log::set_level(log::Level::warn); }
  ReducedNumbers numbers() const { return std::get<0>(GetParam()); }
  DType type() const { return std::get<1>(GetParam()); }

  std::vector<float> random(int64_t count, uint32_t seed, double scale = 1.0) const {
    std::mt19937 generator(seed);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) {
      value = static_cast<float>(scale) * (static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f);
    }
    std::vector<std::byte> bytes(values.size() * static_cast<size_t>(size_of(type())));
    convert_from_f32(type(), values, bytes);
    convert_to_f32(type(), bytes, values);
    return values;
  }
  Tensor on(const Device& device, const Shape& shape, const std::vector<float>& values) const {
    return Tensor::from(device, shape, std::span<const float>(values));
  }
  Parameter parameter(const Shape& shape, uint32_t seed) const {
    const double row = shape.rank() > 1 ? static_cast<double>(shape.count()) / static_cast<double>(shape[0]) : 1.0;
    const auto values = std::make_shared<const std::vector<float>>(random(shape.count(), seed, std::sqrt(3.0 / row)));
    return Parameter({.name = "random",
                      .shape = shape,
                      .dtype = DType::f32,
                      .bytes = std::as_bytes(std::span(*values)),
                      .owner = values});
  }

  // Sums of integers are exact, and their scales are f32. Products of E4M3 are added with 14 significant bits on
  // compute capability 9.0 (DeepSeek-AI 2024, section 3.3.2), where f32 has 24.
  double allowed(int64_t d_in, int64_t roundings) const {
    const double sums = numbers() == ReducedNumbers::int8 ? 0.0 : 0x1p-12 * std::sqrt(static_cast<double>(d_in));
    return tolerance(DType::f32, d_in) + sums + (type() == DType::f32 ? 0.0 : tolerance(type(), roundings));
  }
  void expect_same(const Tensor& card, const Tensor& processor, double allowed) const {
    EXPECT_EQ(card.device().kind(), DeviceKind::cuda);
    EXPECT_TENSOR_NEAR(card, processor, allowed);
  }

  std::shared_ptr<const Device> processor_, card_;
};

TEST_P(EightBits, Products) {
  // The last but one in parts; the last has no whole groups of 16 and is of the usual numbers.
  for (const auto& [rows, d_in, d_out] : {std::array<int64_t, 3>{2 * 77, 768, 320},
                                          {4096, 320, 320},
                                          {1, 320, 1280},
                                          {64, 1280, 1280},
                                          {4103, 320, 2560},
                                          {2, 37, 51}}) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << d_in << " x " << d_out);
    const bool is_rounded = d_in % 16 == 0;
    const std::vector<float> values = random(rows * d_in, 1);
    const Tensor x = on(*card_, {1, rows, d_in}, values);
    const Tensor rounded_x =
        on(*processor_, {1, rows, d_in}, is_rounded ? rounded_rows(values, d_in, numbers()) : values);
    const auto rounded = [&](const Parameter& weight) {
      return is_rounded ? rounded_weight(weight, numbers()) : weight;
    };
    const Parameter weight = parameter({d_out, d_in}, 2), bias = parameter({d_out}, 3);
    const std::vector<float> added = random(rows * d_out, 4);
    const Tensor residual = on(*card_, {1, rows, d_out}, added);
    const Tensor same_residual = on(*processor_, {1, rows, d_out}, added);
    const Parameter rounded_w = rounded(weight);
    const double rounding = allowed(d_in, 3);
    expect_same(ops::linear(x, weight, std::nullopt), ops::linear(rounded_x, rounded_w, std::nullopt), rounding);
    for (const Activation activation : {Activation::none, Activation::silu, Activation::gelu}) {
      expect_same(ops::linear(x, weight, bias, {.activation = activation}),
                  ops::linear(rounded_x, rounded_w, bias, {.activation = activation}), rounding);
      expect_same(ops::linear(x, weight, bias, {.activation = activation, .residual = residual}),
                  ops::linear(rounded_x, rounded_w, bias, {.activation = activation, .residual = same_residual}),
                  rounding);
    }
    const Parameter both = parameter({2 * d_out, d_in}, 5), both_bias = parameter({2 * d_out}, 6);
    // The reference rounds both halves where the card does: 2 * 51 is no whole group either.
    expect_same(ops::linear_geglu(x, both, both_bias), ops::linear_geglu(rounded_x, rounded(both), both_bias),
                allowed(d_in, 5));
  }
}

TEST_P(EightBits, PointwiseConvolutions) {
  const Shape shape = {2, 16, 16, 320};
  const std::vector<float> values = random(shape.count(), 1);
  const Parameter weight = parameter({640, 320, 1, 1}, 2), bias = parameter({640}, 3);
  const std::vector<float> added = random(2 * 16 * 16 * 640, 4);
  expect_same(
      ops::conv2d(on(*card_, shape, values), weight, bias,
                  {.padding = {}, .residual = on(*card_, {2, 16, 16, 640}, added)}),
      ops::conv2d(on(*processor_, shape, rounded_rows(values, 320, numbers())), rounded_weight(weight, numbers()), bias,
                  {.padding = {}, .residual = on(*processor_, {2, 16, 16, 640}, added)}),
      allowed(320, 3));
}

// Of weights as files hold them, kept and streamed.
TEST_P(EightBits, WeightsAsTheyLieInFiles) {
  const std::vector<float> values = random(5 * 256, 1);
  const Tensor x = on(*card_, {1, 5, 256}, values);
  const Tensor rounded_x = on(*processor_, {1, 5, 256}, rounded_rows(values, 256, numbers()));
  const std::vector<float> w = random(64 * 256, 2, 0.1);
  for (const DType packed : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1}) {
    const auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(packed, 64 * 256)));
    convert_from_f32(packed, w, *bytes);
    for (const Residency residency : {Residency::packed, Residency::streamed}) {
      const Parameter weight({.name = "w", .shape = {64, 256}, .dtype = packed, .bytes = *bytes, .owner = bytes},
                             residency);
      const Tensor expected = ops::linear(rounded_x, rounded_weight(weight, numbers()), std::nullopt);
      for (int use = 0; use < 3; ++use) {
        expect_same(ops::linear(x, weight, std::nullopt), expected, allowed(256, 3));
      }
    }
  }
}

TEST_P(EightBits, RowsOfZerosGiveTheBiasAndWhatIsNotFiniteStaysInItsRow) {
  const int64_t width = 320;
  std::vector<float> values = random(4 * width, 1);
  std::fill_n(values.begin(), width, 0.0f);
  values[static_cast<size_t>(width + 5)] = std::numeric_limits<float>::quiet_NaN();
  values[static_cast<size_t>(2 * width)] = std::numeric_limits<float>::infinity();
  const Parameter weight = parameter({640, width}, 2), bias = parameter({640}, 3);
  const std::vector<float> out = ops::linear(on(*card_, {4, width}, values), weight, bias).values();
  const std::vector<float> biases = bias.values();
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t row = i / 640;
    EXPECT_EQ(std::isnan(out[i]), row == 1 || row == 2) << i;
    if (row == 0) {
      EXPECT_EQ(out[i], biases[i % 640]) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EightBits,
                         ::testing::Combine(::testing::Values(ReducedNumbers::int8, ReducedNumbers::fp8),
                                            ::testing::Values(DType::f16, DType::bf16, DType::f32)),
                         [](const auto& info) {
                           const bool is_int8 = std::get<0>(info.param) == ReducedNumbers::int8;
                           return std::string(is_int8 ? "int8_" : "fp8_") +
                                  std::string(name_of(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace easel::testing
