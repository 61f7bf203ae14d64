#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

struct LinearCase {
  const char* name;
  int64_t rows, d_in, d_out;
  Activation activation = Activation::none;
  bool bias = true;
};

void PrintTo(const LinearCase& c, std::ostream* stream) { *stream << c.name; }

class Linear : public ::testing::TestWithParam<LinearCase> {};

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

TEST_P(Linear, EqualsDefinition) {
  const LinearCase& c = GetParam();
  const Tensor x = random_tensor({1, c.rows, c.d_in}, 1);
  const Parameter weight = random_parameter({c.d_out, c.d_in}, 2);
  const std::optional<Parameter> bias = c.bias ? std::optional(random_parameter({c.d_out}, 3)) : std::nullopt;
  const Tensor residual = random_tensor({1, c.rows, c.d_out}, 4);
  const Tensor plain = ops::linear(x, weight, bias, {.activation = c.activation});
  const Tensor fused = ops::linear(x, weight, bias, {.activation = c.activation, .residual = residual});
  const std::vector<float> weights = weight.values();
  const std::vector<float> biases = bias ? bias->values() : std::vector<float>(static_cast<size_t>(c.d_out), 0.0f);
  const auto expected = [&](int64_t index) {
    const int64_t column = index % c.d_out;
    const double sum = dot(x.data().data() + index / c.d_out * c.d_in, weights.data() + column * c.d_in, c.d_in);
    return naive_activation(c.activation, sum + static_cast<double>(biases[static_cast<size_t>(column)]));
  };
  const double allowed = tolerance(DType::f32, c.d_in);
  expect_elements(plain, allowed, expected);
  expect_elements(fused, allowed, [&](int64_t index) {
    return expected(index) + static_cast<double>(residual.data()[static_cast<size_t>(index)]);
  });
}

INSTANTIATE_TEST_SUITE_P(StableDiffusionShapes, Linear,
                         ::testing::Values(LinearCase{"to_q_64px", 8192, 320, 320, Activation::none, false},
                                           LinearCase{"to_out_32px", 2048, 640, 640},
                                           LinearCase{"feed_forward_16px", 512, 5120, 1280},
                                           LinearCase{"to_k_text", 154, 768, 1280, Activation::none, false},
                                           LinearCase{"time_embedding", 2, 320, 1280, Activation::silu},
                                           LinearCase{"clip_fc1", 77, 768, 3072, Activation::quick_gelu},
                                           LinearCase{"open_clip_fc1", 77, 1024, 4096, Activation::gelu},
                                           LinearCase{"relu", 33, 100, 20, Activation::relu},
                                           LinearCase{"odd", 7, 13, 5, Activation::silu}, LinearCase{"one", 1, 1, 1}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(LinearGeglu, EqualsDefinition) {
  for (const int64_t width : {1280, 77}) {
    const Tensor x = random_tensor({2, 64, 320}, 1);
    const Parameter weight = random_parameter({2 * width, 320}, 2);
    const Parameter bias = random_parameter({2 * width}, 3);
    const Tensor out = ops::linear_geglu(x, weight, bias);
    ASSERT_EQ(out.shape(), Shape({2, 64, width}));
    const std::vector<float> weights = weight.values();
    const std::vector<float> biases = bias.values();
    const auto column_at = [&](int64_t row, int64_t column) {
      return dot(x.data().data() + row * 320, weights.data() + column * 320, 320) +
             static_cast<double>(biases[static_cast<size_t>(column)]);
    };
    expect_elements(out, tolerance(DType::f32, 320), [&](int64_t index) {
      const int64_t row = index / width;
      return column_at(row, index % width) * naive_activation(Activation::gelu, column_at(row, width + index % width));
    });
  }
}

}  // namespace
}  // namespace easel::testing
