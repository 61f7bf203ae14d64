#include <cmath>

#include "tests/cuda_kernels/support.h"

namespace easel::testing {
namespace {

struct NormCase {
  int64_t n, pixels, c, groups;
  float mean;  // added to x: a large mean must not cost precision
};

class GroupNorm : public EachType {};

// A group of one pixel; vectors that belong to two groups; one that is no whole vector; more columns than threads;
// several chunks of unequal size; the most channels there may be.
constexpr NormCase kCases[] = {{1, 1, 8, 2, 0.0f},      {2, 64, 32, 8, 0.0f},    {2, 37, 20, 4, 0.0f},
                               {1, 300, 320, 32, 0.0f}, {1, 70, 320, 32, 30.0f}, {1, 33, 4160, 32, 0.0f},
                               {1, 5, 5120, 32, 0.0f},  {1, 9, 515, 5, 0.0f},    {3, 1000, 16, 4, -20.0f}};

std::vector<float> shifted_values(const NormCase& c, uint32_t seed) {
  std::vector<float> values = random_values(c.n * c.pixels * c.c, seed);
  for (float& value : values) value += c.mean;
  return values;
}

// f32 moments: rounding of the mean and of values counts as much more as the mean is larger than what is left.
double norm_tolerance(DType type, const NormCase& c) {
  const double accuracy = tolerance(DType::f32, 64) * (1.0 + std::abs(static_cast<double>(c.mean)));
  return kernel_tolerance(type, 4) + accuracy;
}

TEST_P(GroupNorm, EqualsTheCpu) {
  for (const NormCase& c : kCases) {
    SCOPED_TRACE(::testing::Message() << c.n << " images of " << c.pixels << " pixels, " << c.c << " channels");
    const Shape shape{c.n, c.pixels, c.c};
    Operand x(GetParam(), shifted_values(c, 1));
    const Operand weight(DType::f32, random_values(c.c, 2));
    const Operand bias(DType::f16, random_values(c.c, 3));
    Tensor expected = Tensor::zeros(cpu_device(), shape);
    cpu_device().backend().group_norm(x.tensor(shape), parameter(weight, {c.c}), parameter(bias, {c.c}), c.groups,
                                      1e-5f, Activation::silu, expected);
    Operand scratch = Operand::empty(DType::f32, cuda::group_norm_scratch_bytes(c.n, c.pixels, c.groups) / 4);
    Operand out = Operand::empty(GetParam(), shape.count());
    const auto norm = [&](cuda::Target to) {
      cuda::group_norm(x.source(), {weight.source(), bias.source()}, c.n, c.pixels, c.c, c.groups, 1e-5f,
                       Activation::silu, to, scratch.address(), nullptr);
    };
    run_kernel(out, [&] { norm(out.target()); });
    EXPECT_TRUE(scratch.guards_are_whole());
    EXPECT_TENSOR_NEAR(out.tensor(shape), expected, norm_tolerance(GetParam(), c));
    norm(x.target());  // in place
    EXPECT_EQ(x.values(), out.values());
  }
}

TEST_P(GroupNorm, AVeryDistantFirstPixelCostsLittle) {
  const NormCase c{1, 2000, 64, 8, 0.0f};
  std::vector<float> values = shifted_values(c, 4);
  for (int64_t i = 0; i < c.c; ++i) values[static_cast<size_t>(i)] = 100.0f;
  const Operand x(GetParam(), values);
  const Operand weight(DType::f32, std::vector<float>(64, 1.0f));
  const Operand bias(DType::f32, std::vector<float>(64, 0.0f));
  Tensor expected = Tensor::zeros(cpu_device(), {1, c.pixels, c.c});
  cpu_device().backend().group_norm(x.tensor({1, c.pixels, c.c}), parameter(weight, {c.c}), parameter(bias, {c.c}),
                                    c.groups, 1e-5f, Activation::none, expected);
  Operand scratch = Operand::empty(DType::f32, cuda::group_norm_scratch_bytes(1, c.pixels, c.groups) / 4);
  Operand out = Operand::empty(GetParam(), c.pixels * c.c);
  run_kernel(out, [&] {
    cuda::group_norm(x.source(), {weight.source(), bias.source()}, 1, c.pixels, c.c, c.groups, 1e-5f, Activation::none,
                     out.target(), scratch.address(), nullptr);
  });
  // The first pixel is the largest result; what counts is how exact the others are.
  const auto rest = [&](const Tensor& t) { return t.slice(0, 1).reshape({c.pixels, c.c}).slice(1, c.pixels); };
  // In about 10 steps the first pixel is merged with others and rounded: 100, where the deviation is 2.3.
  const double accuracy = 100.0 / 2.3 * tolerance(DType::f32, 10);
  EXPECT_TENSOR_NEAR(rest(out.tensor({1, c.pixels, c.c})), rest(expected), kernel_tolerance(GetParam(), 1) + accuracy);
}

TEST_P(GroupNorm, NanStaysInItsGroup) {
  std::vector<float> values = random_values(50 * 32, 5);
  values[7 * 32 + 9] = std::nanf("");  // group 2 of 8
  const Operand x(GetParam(), values);
  const Operand weight(DType::f32, random_values(32, 2));
  Operand scratch = Operand::empty(DType::f32, cuda::group_norm_scratch_bytes(1, 50, 8) / 4);
  Operand out = Operand::empty(GetParam(), 50 * 32);
  run_kernel(out, [&] {
    cuda::group_norm(x.source(), {weight.source(), weight.source()}, 1, 50, 32, 8, 1e-5f, Activation::silu,
                     out.target(), scratch.address(), nullptr);
  });
  const std::vector<float> result = out.values();
  for (size_t i = 0; i < result.size(); ++i) EXPECT_EQ(std::isnan(result[i]), i % 32 / 4 == 2) << i;
}

TEST_P(GroupNorm, InBands) {
  for (const NormCase& c : kCases) {
    if (c.n != 1) continue;
    SCOPED_TRACE(::testing::Message() << c.pixels << " pixels, " << c.c << " channels");
    Backend& cpu = cpu_device().backend();
    const Shape shape{1, c.pixels, c.c};
    const Operand x(GetParam(), shifted_values(c, 6));
    std::vector<float> first_pixel = x.values();
    first_pixel.resize(static_cast<size_t>(c.c));
    const Operand pivot(GetParam(), first_pixel);
    const Operand weight(DType::bf16, random_values(c.c, 2));
    const Operand bias(DType::f32, random_values(c.c, 3));
    Tensor expected_sums = Tensor::empty(cpu_device(), {2, c.c}, DType::f64);
    cpu.channel_sums(x.tensor(shape), pivot.tensor({c.c}), nullptr, expected_sums);
    cpu.channel_sums(x.tensor(shape), pivot.tensor({c.c}), &expected_sums, expected_sums);  // the image twice

    Operand scratch = Operand::empty(DType::f64, cuda::channel_sums_scratch_bytes(c.pixels, c.c) / 8);
    Operand first = Operand::empty(DType::f64, 2 * c.c);
    Operand sums = Operand::empty(DType::f64, 2 * c.c);
    const auto add = [&](const double* before, Operand& to) {
      cuda::channel_sums(x.source(), pivot.source(), c.pixels, c.c, before, static_cast<double*>(to.address()),
                         scratch.address(), nullptr);
    };
    run_kernel(first, [&] { add(nullptr, first); });
    run_kernel(sums, [&] { add(static_cast<const double*>(first.address()), sums); });
    EXPECT_TRUE(scratch.guards_are_whole());
    std::vector<float> expected;
    for (const double sum : expected_sums.data<double>()) expected.push_back(static_cast<float>(sum));
    EXPECT_TENSOR_NEAR(sums.values(), expected, kernel_tolerance(DType::f32, 64));

    Tensor expected_scales = Tensor::zeros(cpu_device(), {2, c.c});
    cpu.group_norm_scales(expected_sums, pivot.tensor({c.c}), 2 * c.pixels, parameter(weight, {c.c}),
                          parameter(bias, {c.c}), c.groups, 1e-5f, expected_scales);
    Operand scales = Operand::empty(DType::f32, 2 * c.c);
    run_kernel(scales, [&] {
      cuda::group_norm_scales(expected_sums.data<double>().data(), pivot.source(), 2 * c.pixels,
                              {weight.source(), bias.source()}, c.c, c.groups, 1e-5f,
                              static_cast<float*>(scales.address()), nullptr);
    });
    EXPECT_TENSOR_NEAR(scales.tensor({2, c.c}), expected_scales, kernel_tolerance(DType::f32, 1));
  }
}

INSTANTIATE_TEST_SUITE_P(EachType, GroupNorm, ::testing::ValuesIn(kElementTypes), name_of_type);

}  // namespace
}  // namespace easel::testing
