#include <array>
#include <limits>

#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

struct ResizeCase {
  const char* name;
  int64_t n, h, w, c, rows, columns;
  ResizeOptions options;
};

void PrintTo(const ResizeCase& c, std::ostream* stream) { *stream << c.name; }

class Resize : public ::testing::TestWithParam<ResizeCase> {};

// The interpolation kernels as functions of the distance.
double kernel_at(Interpolation interpolation, double distance) {
  const double d = std::abs(distance);
  if (interpolation == Interpolation::bilinear) return std::max(0.0, 1.0 - d);
  constexpr double a = -0.75;
  if (d <= 1.0) return (a + 2.0) * d * d * d - (a + 3.0) * d * d + 1.0;
  if (d < 2.0) return a * (d * d * d - 5.0 * d * d + 8.0 * d - 4.0);
  return 0.0;
}

double position(int64_t i, int64_t in, int64_t out, bool align_corners) {
  const auto at = static_cast<double>(i);
  if (!align_corners) return (at + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
  return out == 1 ? 0.0 : at * static_cast<double>(in - 1) / static_cast<double>(out - 1);
}

double naive_resize(const Tensor& x, const ResizeCase& c, int64_t image, int64_t row, int64_t column, int64_t channel) {
  const double y = position(row, c.h, c.rows, c.options.align_corners);
  const double z = position(column, c.w, c.columns, c.options.align_corners);
  double sum = 0.0;
  for (auto i = static_cast<int64_t>(std::floor(y)) - 1; i <= static_cast<int64_t>(std::floor(y)) + 2; ++i) {
    for (auto j = static_cast<int64_t>(std::floor(z)) - 1; j <= static_cast<int64_t>(std::floor(z)) + 2; ++j) {
      const int64_t from_row = std::clamp<int64_t>(i, 0, c.h - 1);
      const int64_t from_column = std::clamp<int64_t>(j, 0, c.w - 1);
      const double weight = kernel_at(c.options.interpolation, y - static_cast<double>(i)) *
                            kernel_at(c.options.interpolation, z - static_cast<double>(j));
      sum +=
          weight * static_cast<double>(
                       x.data()[static_cast<size_t>(((image * c.h + from_row) * c.w + from_column) * c.c + channel)]);
    }
  }
  return sum;
}

TEST_P(Resize, EqualsDefinition) {
  const ResizeCase& c = GetParam();
  const Tensor x = random_tensor({c.n, c.h, c.w, c.c}, 1);
  const Tensor out = ops::resize(x, c.rows, c.columns, c.options);
  ASSERT_EQ(out.shape(), Shape({c.n, c.rows, c.columns, c.c}));
  // 16 products, and positions that f32 knows to half a unit: between neighbours values change by up to 2, and both
  // kernels by up to 1.5 times that.
  const double position_error = 0x1p-25 * 2.0 * static_cast<double>(std::max(c.h, c.w));
  expect_elements(out, tolerance(DType::f32, 16) + 2.0 * 1.5 * 2.0 * position_error, [&](int64_t index) {
    const int64_t pixel = index / c.c;
    return naive_resize(x, c, pixel / c.columns / c.rows, pixel / c.columns % c.rows, pixel % c.columns, index % c.c);
  });
}

constexpr Interpolation kCubic = Interpolation::bicubic;

INSTANTIATE_TEST_SUITE_P(
    DepthNetworkShapes, Resize,
    ::testing::Values(ResizeCase{"fusion", 1, 24, 36, 256, 48, 72, {.align_corners = true}},
                      ResizeCase{"head", 1, 96, 96, 128, 192, 192, {.align_corners = true}},
                      ResizeCase{"positions_larger", 1, 24, 24, 768, 24, 42, {}},
                      ResizeCase{"positions_smaller", 1, 24, 24, 64, 4, 10, {}},
                      ResizeCase{"photo_smaller", 1, 512, 768, 3, 384, 576, {.interpolation = kCubic}},
                      ResizeCase{"photo_larger", 1, 75, 110, 3, 288, 416, {.interpolation = kCubic}},
                      ResizeCase{"depth_to_latent", 1, 384, 384, 1, 64, 64, {.interpolation = kCubic}},
                      ResizeCase{"cubic_with_corners", 2, 5, 7, 3, 9, 4, {kCubic, true}},
                      ResizeCase{"one_row_and_column", 2, 6, 5, 4, 1, 1, {.align_corners = true}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Resize, TheSameSizeChangesNothing) {
  const Tensor x = random_tensor({2, 5, 7, 3}, 1);
  for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    for (const bool align_corners : {false, true}) {
      EXPECT_EQ(ops::resize(x, 5, 7, {interpolation, align_corners}).values(), x.values());
    }
  }
}

TEST(Resize, OnePixelFillsAnImage) {
  const Tensor pixel = random_tensor({1, 1, 1, 5}, 1);
  const Tensor out = ops::resize(pixel, 3, 4);
  expect_elements(out, tolerance(DType::f32, 4),
                  [&](int64_t index) { return pixel.data()[static_cast<size_t>(index % 5)]; });
}

struct PoolCase {
  int64_t n, h, w, c;
  PoolOptions options;
};

TEST(MaxPool, EqualsDefinition) {
  const std::array cases = {
      PoolCase{1, 192, 192, 64, {.kernel = 3, .stride = 2, .padding = {.bottom = 1, .right = 1}}},
      PoolCase{2, 9, 7, 5, {.kernel = 3, .stride = 2, .padding = {1, 1, 1, 1}}},
      PoolCase{1, 8, 6, 3, {}},
  };
  for (const PoolCase& c : cases) {
    const Tensor x = random_tensor({c.n, c.h, c.w, c.c}, 1);
    const Tensor out = ops::max_pool(x, c.options);
    const Padding& padding = c.options.padding;
    ASSERT_EQ(out.dim(1), (c.h + padding.top + padding.bottom - c.options.kernel) / c.options.stride + 1);
    ASSERT_EQ(out.dim(2), (c.w + padding.left + padding.right - c.options.kernel) / c.options.stride + 1);
    expect_elements(out, 0.0, [&](int64_t index) {
      const int64_t pixel = index / c.c;
      const int64_t top = pixel / out.dim(2) % out.dim(1) * c.options.stride - padding.top;
      const int64_t left = pixel % out.dim(2) * c.options.stride - padding.left;
      const int64_t image = pixel / out.dim(2) / out.dim(1);
      float largest = -std::numeric_limits<float>::infinity();
      for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + c.options.kernel, c.h); ++y) {
        for (int64_t z = std::max<int64_t>(left, 0); z < std::min(left + c.options.kernel, c.w); ++z) {
          largest = std::max(largest, x.data()[static_cast<size_t>(((image * c.h + y) * c.w + z) * c.c + index % c.c)]);
        }
      }
      return largest;
    });
  }
}

TEST(MaxPool, PaddingHasNoInfluence) {
  const Tensor x = random_tensor({1, 4, 4, 3}, 1) + (-5.0f);  // all below zero
  const Tensor out = ops::max_pool(x, {.kernel = 3, .stride = 2, .padding = {1, 1, 1, 1}});
  for (const float value : out.data()) EXPECT_LT(value, -4.0f);
}

}  // namespace
}  // namespace easel::testing
