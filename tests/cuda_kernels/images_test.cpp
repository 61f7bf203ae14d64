#include "easel/backend/cuda/kernels/image_kernels.h"

#include <fmt/format.h>

#include "tests/cuda_kernels/support.h"

namespace easel::testing {
namespace {

using cuda::ImageShape;

class Images : public EachType {};

// Channels that are no whole vector, one vector, several.
constexpr int64_t kChannels[] = {1, 3, 8, 40};

std::string text(const ImageShape& s) { return fmt::format("[{}, {}, {}, {}]", s.n, s.h, s.w, s.c); }

TEST_P(Images, UpsampleNearest) {
  for (const int64_t c : kChannels) {
    const ImageShape shape{2, 5, 3, c};
    const Operand x(GetParam(), random_values(2 * 5 * 3 * c, 1));
    Tensor expected = Tensor::zeros(cpu_device(), {2, 10, 6, c});
    cpu_device().backend().upsample_nearest_2x(x.tensor({2, 5, 3, c}), expected);
    Operand out = Operand::empty(GetParam(), expected.count());
    run_kernel(out, [&] { cuda::upsample_nearest_2x(x.source(), shape, out.target(), nullptr); });
    EXPECT_EQ(out.values(), expected.values()) << text(shape);
  }
}

TEST_P(Images, Resize) {
  struct Size {
    int64_t h, w;
  };
  for (const int64_t c : kChannels) {
    for (const Size size : {Size{7, 5}, Size{14, 11}, Size{3, 2}, Size{1, 1}, Size{9, 5}}) {
      for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
        for (const bool align_corners : {false, true}) {
          const ImageShape shape{2, 7, 5, c};
          const ResizeOptions options{.interpolation = interpolation, .align_corners = align_corners};
          const Operand x(GetParam(), random_values(2 * 7 * 5 * c, 2));
          Tensor expected = Tensor::zeros(cpu_device(), {2, size.h, size.w, c});
          cpu_device().backend().resize(x.tensor({2, 7, 5, c}), options, expected);
          Operand out = Operand::empty(GetParam(), expected.count());
          run_kernel(out, [&] { cuda::resize(x.source(), shape, size.h, size.w, options, out.target(), nullptr); });
          EXPECT_TENSOR_NEAR(out.tensor(expected.shape()), expected, kernel_tolerance(GetParam(), 16))
              << text(shape) << " to " << size.h << " x " << size.w;
        }
      }
    }
  }
}

TEST_P(Images, ResizeFromOnePixel) {
  const Operand x(GetParam(), random_values(8, 3));
  Operand out = Operand::empty(GetParam(), 3 * 4 * 8);
  run_kernel(out, [&] {
    cuda::resize(x.source(), {1, 1, 1, 8}, 3, 4, {.interpolation = Interpolation::bicubic}, out.target(), nullptr);
  });
  for (size_t i = 0; i < 3 * 4 * 8; ++i) {
    EXPECT_NEAR(out.values()[i], x.values()[i % 8], kernel_tolerance(GetParam(), 16));
  }
}

TEST_P(Images, MaxPool) {
  struct Case {
    PoolOptions options;
    int64_t h, w;  // of the result for images of 8 x 5
  };
  const Case cases[] = {{{.kernel = 2, .stride = 2, .padding = {}}, 4, 2},
                        {{.kernel = 3, .stride = 2, .padding = {1, 1, 1, 1}}, 4, 3},
                        {{.kernel = 3, .stride = 2, .padding = {0, 1, 0, 1}}, 4, 2},
                        {{.kernel = 5, .stride = 1, .padding = {2, 2, 2, 2}}, 8, 5}};
  for (const int64_t c : kChannels) {
    for (const Case& pool : cases) {
      std::vector<float> values = random_values(2 * 8 * 5 * c, 4);
      for (float& value : values) value -= 2.0f;  // a maximum with 0 would show
      const Operand x(GetParam(), values);
      Tensor expected = Tensor::zeros(cpu_device(), {2, pool.h, pool.w, c});
      cpu_device().backend().max_pool(x.tensor({2, 8, 5, c}), pool.options, expected);
      Operand out = Operand::empty(GetParam(), expected.count());
      run_kernel(out, [&] {
        cuda::max_pool(x.source(), {2, 8, 5, c}, pool.h, pool.w, pool.options, out.target(), nullptr);
      });
      EXPECT_EQ(out.values(), expected.values());
    }
  }
}

TEST_P(Images, ChannelsSideBySide) {
  for (const int64_t c_a : {0, 1, 8, 24, 320}) {
    for (const int64_t c_b : {0, 3, 8, 16, 2240}) {
      const int64_t rows = 13;
      const Operand a(GetParam(), random_values(rows * c_a, 5));
      const Operand b(GetParam(), random_values(rows * c_b, 6));
      const std::vector<float> values_a = a.values();
      const std::vector<float> values_b = b.values();
      std::vector<float> expected;
      for (int64_t row = 0; row < rows; ++row) {
        expected.insert(expected.end(), values_a.begin() + row * c_a, values_a.begin() + (row + 1) * c_a);
        expected.insert(expected.end(), values_b.begin() + row * c_b, values_b.begin() + (row + 1) * c_b);
      }
      Operand out = Operand::empty(GetParam(), rows * (c_a + c_b));
      run_kernel(out, [&] { cuda::concat_channels(a.source(), c_a, b.source(), c_b, rows, out.target(), nullptr); });
      EXPECT_EQ(out.values(), expected) << c_a << " + " << c_b;
    }
  }
}

TEST_P(Images, MoreOrFewerChannels) {
  for (const int64_t c : {3, 4, 8, 24}) {
    for (const int64_t c_out : {1, 3, 8, 16, 40}) {
      const int64_t rows = 11;
      const Operand x(GetParam(), random_values(rows * c, 7));
      const std::vector<float> values = x.values();
      std::vector<float> expected;
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t i = 0; i < c_out; ++i) {
          expected.push_back(i < c ? values[static_cast<size_t>(row * c + i)] : 0.0f);
        }
      }
      Operand out = Operand::empty(GetParam(), rows * c_out);
      run_kernel(out, [&] { cuda::set_channels(x.source(), rows, c, c_out, out.target(), nullptr); });
      EXPECT_EQ(out.values(), expected) << c << " to " << c_out;
    }
  }
}

TEST_P(Images, Pad) {
  for (const PaddingMode mode : {PaddingMode::zeros, PaddingMode::circular}) {
    for (const int64_t c : kChannels) {
      const int64_t n = 2, h = 4, w = 3;
      const Padding padding{.top = 1, .bottom = 6, .left = 7, .right = 2, .mode = mode};
      const Operand x(GetParam(), random_values(n * h * w * c, 8));
      const std::vector<float> values = x.values();
      std::vector<float> expected;
      for (int64_t image = 0; image < n; ++image) {
        for (int64_t y = -padding.top; y < h + padding.bottom; ++y) {
          for (int64_t z = -padding.left; z < w + padding.right; ++z) {
            const bool inside = y >= 0 && y < h && z >= 0 && z < w;
            const int64_t pixel = (image * h + (y + 5 * h) % h) * w + (z + 5 * w) % w;
            for (int64_t i = 0; i < c; ++i) {
              const float value = values[static_cast<size_t>(pixel * c + i)];
              expected.push_back(inside || mode == PaddingMode::circular ? value : 0.0f);
            }
          }
        }
      }
      Operand out = Operand::empty(GetParam(), static_cast<int64_t>(expected.size()));
      run_kernel(out, [&] { cuda::pad(x.source(), {n, h, w, c}, padding, out.target(), nullptr); });
      EXPECT_EQ(out.values(), expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EachType, Images, ::testing::ValuesIn(kElementTypes), name_of_type);

}  // namespace
}  // namespace easel::testing
