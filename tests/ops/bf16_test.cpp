// Products of bf16: what a device with ReducedNumbers::bf16 computes. The factors are rounded and nothing else, so the
// results are those of f32 from rounded factors.
#include "easel/backend/devices.h"
#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

std::shared_ptr<const Device> bf16_device() {
  return open_device({.threads = 2, .reduced = {.numbers = ReducedNumbers::bf16, .allows = [](std::string_view name) {
                                                  return name == "random";
                                                }}});
}

std::vector<float> rounded(std::span<const float> values) {
  std::vector<std::byte> bits(values.size() * 2);
  convert_from_f32(DType::bf16, values, bits);
  std::vector<float> out(values.size());
  convert_to_f32(DType::bf16, bits, out);
  return out;
}

Tensor rounded(const Tensor& x) {
  return Tensor::from(cpu_device(), x.shape(), std::span<const float>(rounded(x.data())));
}

Parameter rounded(const Parameter& weight) {
  auto values = std::make_shared<std::vector<float>>(rounded(weight.values()));
  return Parameter({.name = "rounded",
                    .shape = weight.shape(),
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*values)),
                    .owner = values});
}

Tensor on(const Device& device, const Tensor& x) { return Tensor::from(device, x.shape(), x.data()); }

class Bf16 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!bf16_unusable_because().empty()) GTEST_SKIP() << bf16_unusable_because();
  }

  std::shared_ptr<const Device> device_ = bf16_device();
};

TEST_F(Bf16, LinearLayersRoundTheirFactors) {
  for (const int64_t rows : {1, 37, 300}) {
    constexpr int64_t kIn = 84, kOut = 52;
    const Tensor x = random_tensor({1, rows, kIn}, 1);
    const Tensor residual = random_tensor({1, rows, kOut}, 4);
    const Parameter weight = random_parameter({kOut, kIn}, 2), bias = random_parameter({kOut}, 3);
    const LinearOptions plain{.activation = Activation::silu, .residual = residual};
    const LinearOptions reduced{.activation = Activation::silu, .residual = on(*device_, residual)};
    const Tensor expected = ops::linear(rounded(x), rounded(weight), bias, plain);
    const Tensor out = ops::linear(on(*device_, x), weight, bias, reduced);
    EXPECT_TENSOR_NEAR(out.data(), expected.data(), tolerance(DType::f32, kIn));
    const Tensor exact = ops::linear(x, weight, bias, plain);
    EXPECT_NE(out.values(), exact.values());
    EXPECT_TENSOR_NEAR(out.data(), exact.data(), 0x1p-7);
  }
}

// More rows than have their products in memory at once.
TEST_F(Bf16, GegluRoundsItsFactors) {
  constexpr int64_t kRows = 2100, kIn = 48, kOut = 72;
  const Tensor x = random_tensor({2, kRows / 2, kIn}, 1);
  const Parameter weight = random_parameter({2 * kOut, kIn}, 2), bias = random_parameter({2 * kOut}, 3);
  const Tensor out = ops::linear_geglu(on(*device_, x), weight, bias);
  const Tensor expected = ops::linear_geglu(rounded(x), rounded(weight), bias);
  EXPECT_TENSOR_NEAR(out.data(), expected.data(), 4 * tolerance(DType::f32, kIn));
}

TEST_F(Bf16, ConvolutionsRoundTheirFactors) {
  for (const int64_t kernel : {1, 3}) {
    for (const PaddingMode mode : {PaddingMode::zeros, PaddingMode::circular}) {
      constexpr int64_t kIn = 24, kOut = 40;
      const Tensor x = random_tensor({2, 9, 11, kIn}, 1);
      const Parameter weight = random_parameter({kOut, kIn, kernel, kernel}, 2), bias = random_parameter({kOut}, 3);
      const int64_t edge = kernel / 2;
      Conv2dOptions options{.stride = 2,
                            .padding = {.top = edge, .bottom = edge, .left = edge, .right = edge, .mode = mode},
                            .activation = Activation::silu};
      const auto both_near = [&](const Conv2dOptions& plain, const Conv2dOptions& reduced) {
        const Tensor expected = ops::conv2d(rounded(x), rounded(weight), bias, plain);
        const Tensor out = ops::conv2d(on(*device_, x), weight, bias, reduced);
        EXPECT_TENSOR_NEAR(out.data(), expected.data(), tolerance(DType::f32, kIn * kernel * kernel));
        return out.shape();
      };
      const Shape shape = both_near(options, options);
      Conv2dOptions reduced = options;
      options.image_bias = random_tensor({2, kOut}, 5);
      options.residual = random_tensor(shape, 6);
      reduced.image_bias = on(*device_, *options.image_bias);
      reduced.residual = on(*device_, *options.residual);
      both_near(options, reduced);
    }
  }
}

TEST_F(Bf16, OtherWeightsStayF32) {
  const Tensor x = random_tensor({5, 64}, 1);
  const Parameter weight = rounded(random_parameter({32, 64}, 2));
  EXPECT_EQ(ops::linear(on(*device_, x), weight, std::nullopt, {}).values(),
            ops::linear(x, weight, std::nullopt, {}).values());
}

}  // namespace
}  // namespace easel::testing
