#include <cmath>
#include <limits>

#include "tests/cuda_kernels/support.h"

namespace easel::testing {
namespace {

class Elementwise : public EachType {};

// Of elements: none, less than a vector, whole vectors, vectors and a rest, more than a block.
constexpr int64_t kCounts[] = {0, 1, 7, 8, 64, 1003, 5000};

TEST_P(Elementwise, ConvertRoundsToNearestEven) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> special{0.0f,
                             -0.0f,
                             1.0f,
                             65504.0f,
                             65519.0f,
                             65520.0f,
                             -70000.0f,
                             1e-8f,
                             6e-8f,
                             0x1p-24f,
                             0x1p-25f,
                             3.4e38f,
                             -1e30f,
                             1.0f + 0x1p-11f,
                             kInfinity,
                             -kInfinity,
                             1.0f + 3 * 0x1p-11f,
                             1.0f + 0x1p-8f,
                             1.0f + 3 * 0x1p-9f};
  for (const DType to : kElementTypes) {
    for (const int64_t count : kCounts) {
      std::vector<float> values = random_values(count, 1);
      std::copy_n(special.begin(), std::min(special.size(), values.size()), values.begin());
      const Operand x(GetParam(), values);
      Operand out = Operand::empty(to, count);
      run_kernel(out, [&] { cuda::convert(x.source(), out.target(), count, nullptr); });
      EXPECT_EQ(out.values(), Operand(to, x.values()).values());
    }
  }
  const Operand nan(GetParam(), std::vector<float>{std::nanf("")});
  Operand out = Operand::empty(DType::f16, 1);
  run_kernel(out, [&] { cuda::convert(nan.source(), out.target(), 1, nullptr); });
  EXPECT_TRUE(std::isnan(out.values()[0]));
}

TEST_P(Elementwise, Activations) {
  for (const Activation activation : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu,
                                      Activation::relu, Activation::leaky_relu}) {
    for (const int64_t count : kCounts) {
      std::vector<float> values = random_values(count, 2);
      for (float& value : values) value *= 12.0f;
      Operand x(GetParam(), values);
      Tensor expected = Tensor::zeros(cpu_device(), {count});
      cpu_device().backend().activate(x.tensor({count}), activation, expected);
      Operand out = Operand::empty(GetParam(), count);
      run_kernel(out, [&] { cuda::activate(x.source(), activation, out.target(), count, nullptr); });
      EXPECT_TENSOR_NEAR(out.tensor({count}), expected, kernel_tolerance(GetParam(), 4));
      run_kernel(x, [&] { cuda::activate(x.source(), activation, x.target(), count, nullptr); });  // in place
      EXPECT_EQ(x.values(), out.values());
    }
  }
}

TEST_P(Elementwise, ActivationsKeepNanAndOrder) {
  const Operand x(GetParam(), std::vector<float>{std::nanf(""), -1e30f, 1e4f});
  for (const Activation activation : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu,
                                      Activation::relu, Activation::leaky_relu}) {
    Operand out = Operand::empty(DType::f32, 3);
    run_kernel(out, [&] { cuda::activate(x.source(), activation, out.target(), 3, nullptr); });
    EXPECT_TRUE(std::isnan(out.values()[0]));
    if (GetParam() != DType::f16 && activation != Activation::none && activation != Activation::leaky_relu) {
      EXPECT_EQ(out.values()[1], 0.0f);  // not NaN
    }
    EXPECT_EQ(out.values()[2], x.values()[2]);
  }
}

TEST_P(Elementwise, ProductsOfOtherTypesAndAlignments) {
  for (const DType other : kElementTypes) {
    for (const int64_t offset : {0, 1, 8}) {
      for (const int64_t count : kCounts) {
        const Operand a(GetParam(), random_values(count, 3));
        const Operand b(other, random_values(count, 4), offset);
        Operand out = Operand::empty(GetParam(), count, offset);
        Tensor expected = Tensor::zeros(cpu_device(), {count});
        cpu_device().backend().multiply(a.tensor({count}), b.tensor({count}), expected);
        run_kernel(out, [&] { cuda::multiply(a.source(), b.source(), out.target(), count, nullptr); });
        EXPECT_EQ(out.values(), Operand(GetParam(), expected.values()).values());
      }
    }
  }
}

TEST_P(Elementwise, Clamp) {
  std::vector<float> values = random_values(1003, 5);
  for (float& value : values) value *= 3.0f;
  const Operand x(GetParam(), values);
  Tensor expected = Tensor::zeros(cpu_device(), {1003});
  cpu_device().backend().clamp(x.tensor({1003}), -1.0f, 2.0f, expected);
  Operand out = Operand::empty(GetParam(), 1003);
  run_kernel(out, [&] { cuda::clamp(x.source(), -1.0f, 2.0f, out.target(), 1003, nullptr); });
  EXPECT_EQ(out.values(), expected.values());
  const Operand nan(GetParam(), std::vector<float>{std::nanf("")});
  Operand stays = Operand::empty(GetParam(), 1);
  run_kernel(stays, [&] { cuda::clamp(nan.source(), -1.0f, 2.0f, stays.target(), 1, nullptr); });
  EXPECT_TRUE(std::isnan(stays.values()[0]));
}

TEST_P(Elementwise, Combinations) {
  for (const int64_t terms : {0, 1, 2, 5, 16, 17, 40}) {
    for (const int64_t count : {int64_t{0}, int64_t{24}, int64_t{1003}}) {
      std::vector<Operand> operands;
      std::vector<Tensor> tensors;
      for (int64_t i = 0; i < terms; ++i) {
        const DType type = i % 2 == 0 ? GetParam() : DType::f32;
        operands.emplace_back(type, random_values(count, static_cast<uint32_t>(10 + i)));
        tensors.push_back(operands.back().tensor({count}));
      }
      std::vector<cuda::Summand> summands;
      std::vector<Term> expected_terms;
      for (size_t i = 0; i < operands.size(); ++i) {
        const float factor = 0.3f * static_cast<float>(i) - 1.0f;
        summands.push_back({factor, operands[i].source()});
        expected_terms.push_back({factor, &tensors[i]});
      }
      Tensor expected = Tensor::zeros(cpu_device(), {count});
      cpu_device().backend().combine(expected_terms, 0.25f, expected);
      Operand out = Operand::empty(GetParam(), count);
      run_kernel(out, [&] { cuda::combine(summands, 0.25f, out.target(), count, nullptr); });
      const double launches = std::max(1.0, std::ceil(static_cast<double>(terms - 1) / 15.0));  // each rounds
      EXPECT_TENSOR_NEAR(out.tensor({count}), expected, 8 * launches * kernel_tolerance(GetParam(), terms + 1));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EachType, Elementwise, ::testing::ValuesIn(kElementTypes), name_of_type);

}  // namespace
}  // namespace easel::testing
