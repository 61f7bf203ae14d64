#include <limits>

#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

TEST(Activate, EqualsDefinition) {
  for (const Activation activation : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu,
                                      Activation::relu, Activation::leaky_relu}) {
    for (const float magnitude : {0.001f, 1.0f, 8.0f, 1000.0f}) {
      const Tensor x = random_tensor({3, 1001}, 1) * magnitude;
      const Tensor out = ops::activate(x, activation);
      expect_elements(out, 1e-6, [&](int64_t index) {
        return naive_activation(activation, static_cast<double>(x.data()[static_cast<size_t>(index)]));
      });
    }
  }
}

// Damaged weights must be seen at a network's end.
TEST(Activate, NanStays) {
  const std::vector<float> nan(19, std::numeric_limits<float>::quiet_NaN());
  const Tensor x = Tensor::from(cpu_device(), {1, 19}, std::span<const float>(nan));
  for (const Activation activation :
       {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu, Activation::relu}) {
    for (const float value : ops::activate(x, activation).data()) {
      EXPECT_TRUE(std::isnan(value)) << static_cast<int>(activation);
    }
  }
}

TEST(Arithmetic, ReadsLikeAFormula) {
  const Tensor a = random_tensor({5, 777}, 1);
  const Tensor b = random_tensor({5, 777}, 2);
  const Tensor out = (a - 2.0f * b) / 4.0f + a * b + 1.0f;
  expect_elements(out, 1e-6, [&](int64_t index) {
    const double x = a.data()[static_cast<size_t>(index)];
    const double y = b.data()[static_cast<size_t>(index)];
    return (x - 2.0 * y) / 4.0 + x * y + 1.0;
  });
  const Tensor clamped = ops::clamp(-a, -0.5f, 0.25f);
  expect_elements(clamped, 0.0, [&](int64_t index) {
    return std::clamp(-static_cast<double>(a.data()[static_cast<size_t>(index)]), -0.5, 0.25);
  });
}

TEST(Upsample, RepeatsPixels) {
  const Tensor x = random_tensor({2, 3, 5, 7}, 1);
  const Tensor out = ops::upsample_nearest_2x(x);
  ASSERT_EQ(out.shape(), Shape({2, 6, 10, 7}));
  for (int64_t index = 0; index < out.count(); ++index) {
    const int64_t c = index % 7, column = index / 7 % 10, row = index / 70 % 6, image = index / 420;
    const int64_t from = ((image * 3 + row / 2) * 5 + column / 2) * 7 + c;
    ASSERT_EQ(out.data()[static_cast<size_t>(index)], x.data()[static_cast<size_t>(from)]) << index;
  }
}

TEST(Concat, JoinsChannelsAndBatches) {
  const Tensor a = random_tensor({2, 3, 3, 5}, 1);
  const Tensor b = random_tensor({2, 3, 3, 4}, 2);
  const Tensor channels = ops::concat_channels(a, b);
  ASSERT_EQ(channels.shape(), Shape({2, 3, 3, 9}));
  for (size_t pixel = 0; pixel < 18; ++pixel) {
    for (size_t c = 0; c < 9; ++c) {
      const float expected = c < 5 ? a.data()[pixel * 5 + c] : b.data()[pixel * 4 + c - 5];
      ASSERT_EQ(channels.data()[pixel * 9 + c], expected);
    }
  }
  const Tensor images = ops::concat_batch(a, a.slice(1, 2));
  ASSERT_EQ(images.shape(), Shape({3, 3, 3, 5}));
  EXPECT_TENSOR_NEAR(images.slice(0, 2), a, 0.0);
  EXPECT_TENSOR_NEAR(images.slice(2, 3), a.slice(1, 2), 0.0);
}

TEST(Embedding, TakesRows) {
  const Parameter table = random_parameter({10, 6}, 1);
  const std::vector<int32_t> ids{9, 0, 3, 3};
  const Tensor out = ops::embedding(Tensor::from(cpu_device(), {2, 2}, std::span<const int32_t>(ids)), table);
  ASSERT_EQ(out.shape(), Shape({2, 2, 6}));
  const std::vector<float> values = table.values();
  for (size_t i = 0; i < ids.size(); ++i) {
    for (size_t c = 0; c < 6; ++c) EXPECT_EQ(out.data()[i * 6 + c], values[static_cast<size_t>(ids[i]) * 6 + c]);
  }
}

TEST(ThreadCount, ChangesNothing) {
  const auto one = open_device({.name = "cpu", .threads = 1});
  const auto on = [](const Device& device, const Tensor& tensor) {
    return Tensor::from(device, tensor.shape(), tensor.data());
  };
  const Tensor x = random_tensor({2, 16, 16, 64}, 1);
  const Parameter weight = random_parameter({64, 64, 3, 3}, 2);
  const Parameter scale = random_parameter({64}, 3);
  const Conv2dOptions same{.padding = {1, 1, 1, 1}};
  const auto network = [&](const Tensor& input) {
    const Tensor h =
        ops::group_norm(ops::conv2d(input, weight, scale, same), scale, scale, 32, 1e-5f, Activation::silu);
    const Tensor tokens = h.reshape({2, 256, 64});
    return ops::attention(tokens, tokens, tokens, {.heads = 2});
  };
  EXPECT_TENSOR_NEAR(network(on(*one, x)), network(x), 0.0);
}

}  // namespace
}  // namespace easel::testing
