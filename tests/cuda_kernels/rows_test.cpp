#include <algorithm>
#include <cmath>

#include "tests/cuda_kernels/support.h"

namespace easel::testing {
namespace {

class Rows : public EachType {};

// Rows of less than a vector, of vectors, of more columns than a block has threads.
constexpr int64_t kWidths[] = {1, 3, 8, 40, 321, 2560};

TEST_P(Rows, AdditionsAroundAnActivation) {
  for (const int64_t c : kWidths) {
    for (const bool with_image_bias : {false, true}) {
      for (const bool with_residual : {false, true}) {
        const int64_t n = 2, rows = 19;
        const Operand x(GetParam(), random_values(n * rows * c, 1));
        const Operand bias(DType::f32, random_values(c, 2));
        const Operand image_bias(GetParam(), random_values(n * c, 3));
        const Operand residual(DType::f16, random_values(n * rows * c, 4));
        std::vector<float> sums = x.values();
        const std::vector<float> biases = bias.values();
        const std::vector<float> image_biases = image_bias.values();
        for (int64_t i = 0; i < n * rows * c; ++i) {
          float& sum = sums[static_cast<size_t>(i)];
          sum += biases[static_cast<size_t>(i % c)];
          if (with_image_bias) sum += image_biases[static_cast<size_t>(i / (rows * c) * c + i % c)];
        }
        const Tensor before = Tensor::from(cpu_device(), {n * rows * c}, std::span<const float>(sums));
        Tensor expected = Tensor::zeros(cpu_device(), {n * rows * c});
        cpu_device().backend().activate(before, Activation::silu, expected);
        if (with_residual) {
          const Tensor added = residual.tensor({n * rows * c});
          for (size_t i = 0; i < sums.size(); ++i) expected.data()[i] += added.data()[i];
        }
        cuda::Additions additions{.bias = bias.source(), .activation = Activation::silu};
        if (with_image_bias) additions.image_bias = image_bias.source();
        if (with_residual) additions.residual = residual.source();
        Operand out = Operand::empty(GetParam(), n * rows * c);
        run_kernel(out, [&] { cuda::add(x.source(), additions, n, rows, c, out.target(), nullptr); });
        EXPECT_TENSOR_NEAR(out.tensor({n * rows * c}), expected, kernel_tolerance(GetParam(), 8)) << c;
      }
    }
  }
}

TEST_P(Rows, AdditionsInPlaceAndOfTheResultItself) {
  const int64_t rows = 5, c = 24;
  const Operand x(GetParam(), random_values(rows * c, 1));
  Operand sum(GetParam(), random_values(rows * c, 2));
  const std::vector<float> before = sum.values();
  run_kernel(sum, [&] { cuda::add(x.source(), {.residual = sum.source()}, 1, rows, c, sum.target(), nullptr); });
  std::vector<float> expected = x.values();
  for (size_t i = 0; i < expected.size(); ++i) expected[i] += before[i];
  EXPECT_EQ(sum.values(), Operand(GetParam(), expected).values());
}

TEST_P(Rows, Geglu) {
  for (const int64_t width : kWidths) {
    const int64_t rows = 7;
    std::vector<float> values = random_values(rows * 2 * width, 5);
    for (float& value : values) value *= 3.0f;
    const Operand both(GetParam(), values);
    const std::vector<float> from = both.values();
    std::vector<float> expected;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < width; ++i) {
        const double a = from[static_cast<size_t>(row * 2 * width + i)];
        const double gate = from[static_cast<size_t>(row * 2 * width + width + i)];
        expected.push_back(static_cast<float>(a * 0.5 * gate * (1.0 + std::erf(gate / std::sqrt(2.0)))));
      }
    }
    Operand out = Operand::empty(GetParam(), rows * width);
    run_kernel(out, [&] { cuda::geglu(both.source(), rows, width, out.target(), nullptr); });
    EXPECT_TENSOR_NEAR(out.values(), expected, kernel_tolerance(GetParam(), 4)) << width;
  }
}

TEST_P(Rows, ScaleAndShift) {
  for (const int64_t c : kWidths) {
    const int64_t rows = 70;
    const Operand x(GetParam(), random_values(rows * c, 6));
    const Operand scales(DType::f32, random_values(2 * c, 7));
    Tensor expected = Tensor::zeros(cpu_device(), {rows, c});
    cpu_device().backend().scale_shift(x.tensor({rows, c}), scales.tensor({2, c}), Activation::silu, expected);
    Operand out = Operand::empty(GetParam(), rows * c);
    run_kernel(out, [&] {
      cuda::scale_shift(x.source(), static_cast<const float*>(scales.address()), rows, c, Activation::silu,
                        out.target(), nullptr);
    });
    EXPECT_TENSOR_NEAR(out.tensor({rows, c}), expected, kernel_tolerance(GetParam(), 4)) << c;
  }
}

TEST_P(Rows, LayerNorm) {
  for (const int64_t width : kWidths) {
    for (const float mean : {0.0f, 100.0f}) {
      const int64_t rows = 9;
      std::vector<float> values = random_values(rows * width, 8);
      for (float& value : values) value += mean;
      const Operand x(GetParam(), values);
      const Operand weight(DType::f16, random_values(width, 9));
      const Operand bias(DType::f32, random_values(width, 10));
      Tensor expected = Tensor::zeros(cpu_device(), {rows, width});
      cpu_device().backend().layer_norm(x.tensor({rows, width}), parameter(weight, {width}), parameter(bias, {width}),
                                        1e-5f, expected);
      Operand out = Operand::empty(GetParam(), rows * width);
      run_kernel(out, [&] {
        cuda::layer_norm(x.source(), {weight.source(), bias.source()}, rows, width, 1e-5f, out.target(), nullptr);
      });
      // The mean's own rounding counts as much more as the mean is larger than what is left.
      const double accuracy = (1.0 + static_cast<double>(mean)) * tolerance(DType::f32, 2 * width);
      EXPECT_TENSOR_NEAR(out.tensor({rows, width}), expected, kernel_tolerance(GetParam(), 4) + accuracy) << width;
    }
  }
}

TEST_P(Rows, Softmax) {
  for (const int64_t width : {int64_t{1}, int64_t{77}, int64_t{256}, int64_t{2056}}) {
    const int64_t rows = 3;
    std::vector<float> values = random_values(rows * width, 11);
    for (float& value : values) value *= 40.0f;
    const Operand x(GetParam(), values);
    const std::vector<float> from = x.values();
    std::vector<float> expected(from.size());
    const auto size = static_cast<size_t>(width);
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      const auto begin = from.begin() + static_cast<ptrdiff_t>(row * size);
      const double largest = *std::max_element(begin, begin + static_cast<ptrdiff_t>(size));
      double sum = 0.0;
      for (size_t i = 0; i < size; ++i) sum += std::exp(0.5 * (static_cast<double>(from[row * size + i]) - largest));
      for (size_t i = 0; i < size; ++i) {
        const double score = 0.5 * (static_cast<double>(from[row * size + i]) - largest);
        expected[row * size + i] = static_cast<float>(std::exp(score) / sum);
      }
    }
    Operand out = Operand::empty(GetParam(), rows * width);
    run_kernel(out, [&] { cuda::softmax_rows(x.source(), rows, width, 0.5f, out.target(), nullptr); });
    // Scores up to 29 in units of ln 2 are rounded, and their differences are exponents.
    EXPECT_TENSOR_NEAR(out.values(), expected, kernel_tolerance(GetParam(), width) + 29.0 * tolerance(DType::f32, 1));
  }
}

TEST_P(Rows, NothingIsLaunchedForNoRows) {
  Operand out = Operand::empty(GetParam(), 0);
  const cuda::Source x = out.source();
  run_kernel(out, [&] {
    cuda::add(x, {}, 0, 8, 8, out.target(), nullptr);
    cuda::geglu(x, 0, 8, out.target(), nullptr);
    cuda::scale_shift(x, nullptr, 0, 8, Activation::none, out.target(), nullptr);
    cuda::layer_norm(x, {}, 0, 8, 1e-5f, out.target(), nullptr);
    cuda::softmax_rows(x, 0, 8, 1.0f, out.target(), nullptr);
    cuda::group_norm(x, {}, 0, 8, 8, 2, 1e-5f, Activation::none, out.target(), nullptr, nullptr);
  });
}

INSTANTIATE_TEST_SUITE_P(EachType, Rows, ::testing::ValuesIn(kElementTypes), name_of_type);

}  // namespace
}  // namespace easel::testing
