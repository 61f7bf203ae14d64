#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

struct GroupNormCase {
  const char* name;
  int64_t n, h, w, c, groups;
  float epsilon;
  Activation activation;
  float mean = 0.0f;  // added to x: a large mean must not cost precision
};

void PrintTo(const GroupNormCase& c, std::ostream* stream) { *stream << c.name; }

class GroupNorm : public ::testing::TestWithParam<GroupNormCase> {};

TEST_P(GroupNorm, EqualsDefinition) {
  const GroupNormCase& c = GetParam();
  const Tensor x = random_tensor({c.n, c.h, c.w, c.c}, 1) + c.mean;
  const Parameter weight = random_parameter({c.c}, 2);
  const Parameter bias = random_parameter({c.c}, 3);
  const Tensor out = ops::group_norm(x, weight, bias, c.groups, c.epsilon, c.activation);
  const std::vector<float> weights = weight.values();
  const std::vector<float> biases = bias.values();
  const int64_t size = c.c / c.groups;
  const int64_t pixels = c.h * c.w;
  std::vector<std::pair<double, double>> moments(static_cast<size_t>(c.n * c.groups));
  for (int64_t i = 0; i < c.n * c.groups; ++i) {
    double sum = 0.0;
    double squares = 0.0;
    const auto for_each = [&](const auto& body) {
      for (int64_t pixel = 0; pixel < pixels; ++pixel) {
        for (int64_t k = 0; k < size; ++k) {
          body(static_cast<double>(
              x.data()[static_cast<size_t>((i / c.groups * pixels + pixel) * c.c + i % c.groups * size + k)]));
        }
      }
    };
    for_each([&](double value) { sum += value; });
    const double mean = sum / static_cast<double>(pixels * size);
    for_each([&](double value) { squares += (value - mean) * (value - mean); });
    moments[static_cast<size_t>(i)] = {mean, squares / static_cast<double>(pixels * size)};
  }
  // x itself is rounded where the mean is large: the difference to the mean keeps fewer bits.
  const double rounding = 1.0 + std::abs(static_cast<double>(c.mean));
  expect_elements(out, tolerance(DType::f32, 64) * rounding, [&](int64_t index) {
    const int64_t channel = index % c.c;
    const auto [mean, variance] = moments[static_cast<size_t>(index / (pixels * c.c) * c.groups + channel / size)];
    const double normal = (static_cast<double>(x.data()[static_cast<size_t>(index)]) - mean) /
                          std::sqrt(variance + static_cast<double>(c.epsilon));
    return naive_activation(c.activation, normal * static_cast<double>(weights[static_cast<size_t>(channel)]) +
                                              static_cast<double>(biases[static_cast<size_t>(channel)]));
  });
}

INSTANTIATE_TEST_SUITE_P(
    StableDiffusionShapes, GroupNorm,
    ::testing::Values(GroupNormCase{"unet_64px", 2, 64, 64, 320, 32, 1e-5f, Activation::silu},
                      GroupNormCase{"unet_8px", 2, 8, 8, 2560, 32, 1e-5f, Activation::silu},
                      GroupNormCase{"transformer", 2, 32, 32, 640, 32, 1e-6f, Activation::none},
                      GroupNormCase{"vae", 1, 128, 128, 128, 32, 1e-6f, Activation::silu},
                      GroupNormCase{"one_channel_groups", 2, 16, 16, 32, 32, 1e-6f, Activation::none},
                      GroupNormCase{"large_mean", 1, 32, 32, 96, 32, 1e-5f, Activation::none, 100.0f},
                      GroupNormCase{"odd", 3, 5, 7, 30, 3, 1e-5f, Activation::relu}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(LayerNorm, EqualsDefinition) {
  for (const int64_t width : {320, 768, 1280, 77}) {
    const Tensor x = random_tensor({2, 50, width}, 1) + 3.0f;
    const Parameter weight = random_parameter({width}, 2);
    const Parameter bias = random_parameter({width}, 3);
    const Tensor out = ops::layer_norm(x, weight, bias, 1e-5f);
    const std::vector<float> weights = weight.values();
    const std::vector<float> biases = bias.values();
    expect_elements(out, tolerance(DType::f32, width), [&](int64_t index) {
      const auto row = x.data().subspan(static_cast<size_t>(index / width * width), static_cast<size_t>(width));
      double mean = 0.0;
      double variance = 0.0;
      for (const float value : row) mean += static_cast<double>(value) / static_cast<double>(width);
      for (const float value : row) {
        variance +=
            (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean) / static_cast<double>(width);
      }
      const auto column = static_cast<size_t>(index % width);
      return (static_cast<double>(row[column]) - mean) / std::sqrt(variance + 1e-5) *
                 static_cast<double>(weights[column]) +
             static_cast<double>(biases[column]);
    });
  }
}

}  // namespace
}  // namespace easel::testing
