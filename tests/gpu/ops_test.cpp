// Every operation of a card against the processor's. Skipped without a card.
#include "easel/ops/arithmetic.h"
#include "tests/gpu/devices.h"

namespace easel::testing {
namespace {

constexpr Activation kActivations[] = {Activation::none,       Activation::silu, Activation::gelu,
                                       Activation::quick_gelu, Activation::relu, Activation::leaky_relu};

struct ConvCase {
  int64_t n, h, w, c_in, c_out, kernel, stride;
  Padding padding;
};

class Operations : public BothDevices {
 protected:
  // With all that can be added, and without.
  void expect_same_convolution(const ConvCase& c) {
    const Pair x = tensor({c.n, c.h, c.w, c.c_in}, 1);
    const Parameter weight = parameter({c.c_out, c.c_in, c.kernel, c.kernel}, 2);
    const Parameter bias = parameter({c.c_out}, 3);
    const double rounding = allowed(c.kernel * c.kernel * c.c_in, 3);
    const Conv2dOptions plain{.stride = c.stride, .padding = c.padding};
    const Tensor expected = ops::conv2d(x.processor, weight, bias, plain);
    expect_same(ops::conv2d(x.card, weight, bias, plain), expected, rounding);
    expect_same(ops::conv2d(x.card, weight, std::nullopt, plain), ops::conv2d(x.processor, weight, std::nullopt, plain),
                rounding);
    const Pair residual = tensor(expected.shape(), 4);
    const Pair image_bias = tensor({c.n, c.c_out}, 5);
    for (const Activation activation : kActivations) {
      Conv2dOptions on_processor = plain, on_card = plain;
      on_processor.activation = on_card.activation = activation;
      expect_same(ops::conv2d(x.card, weight, bias, on_card), ops::conv2d(x.processor, weight, bias, on_processor),
                  rounding);
      on_processor.residual = residual.processor;
      on_card.residual = residual.card;
      on_processor.image_bias = image_bias.processor;
      on_card.image_bias = image_bias.card;
      expect_same(ops::conv2d(x.card, weight, bias, on_card), ops::conv2d(x.processor, weight, bias, on_processor),
                  rounding);
    }
  }
};

TEST_P(Operations, Convolutions) {
  const Padding around{1, 1, 1, 1};
  const Padding below{.bottom = 1, .right = 1};
  const Padding circular{1, 1, 1, 1, PaddingMode::circular};
  for (const ConvCase& c : {ConvCase{2, 16, 16, 64, 64, 3, 1, around}, ConvCase{1, 8, 12, 320, 640, 3, 1, around},
                            ConvCase{2, 16, 16, 4, 320, 3, 1, around}, ConvCase{1, 16, 16, 320, 4, 3, 1, around},
                            ConvCase{1, 9, 7, 9, 40, 3, 1, around}, ConvCase{2, 16, 16, 64, 96, 3, 2, around},
                            ConvCase{1, 16, 16, 32, 32, 3, 2, below}, ConvCase{1, 8, 8, 32, 32, 3, 1, circular},
                            ConvCase{2, 8, 8, 320, 640, 1, 1, {}}, ConvCase{1, 8, 8, 4, 4, 1, 1, {}},
                            ConvCase{1, 32, 32, 3, 64, 7, 2, {3, 3, 3, 3}}}) {
    SCOPED_TRACE(::testing::Message() << c.c_in << " to " << c.c_out << ", kernel " << c.kernel << ", stride "
                                      << c.stride);
    expect_same_convolution(c);
  }
}

TEST_P(Operations, Products) {
  for (const auto& [rows, d_in, d_out] :
       {std::array<int64_t, 3>{2 * 77, 768, 320}, {4096, 320, 320}, {1, 320, 1280}, {2, 37, 51}, {77, 1024, 1024}}) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << d_in << " x " << d_out);
    const Pair x = tensor({1, rows, d_in}, 1);
    const Parameter weight = parameter({d_out, d_in}, 2);
    const Parameter bias = parameter({d_out}, 3);
    const Pair residual = tensor({1, rows, d_out}, 4);
    const double rounding = allowed(d_in, 3);
    expect_same(ops::linear(x.card, weight, std::nullopt), ops::linear(x.processor, weight, std::nullopt), rounding);
    for (const Activation activation : kActivations) {
      expect_same(ops::linear(x.card, weight, bias, {.activation = activation}),
                  ops::linear(x.processor, weight, bias, {.activation = activation}), rounding);
      expect_same(ops::linear(x.card, weight, bias, {.activation = activation, .residual = residual.card}),
                  ops::linear(x.processor, weight, bias, {.activation = activation, .residual = residual.processor}),
                  rounding);
    }
    const Parameter both = parameter({2 * d_out, d_in}, 5);
    const Parameter both_bias = parameter({2 * d_out}, 6);
    expect_same(ops::linear_geglu(x.card, both, both_bias), ops::linear_geglu(x.processor, both, both_bias),
                allowed(d_in, 5));
  }
}

TEST_P(Operations, WeightsAsTheyLieInFiles) {
  const Pair x = tensor({1, 5, 256}, 1);
  const std::vector<float> values = numbers(64 * 256, 2, 0.1f);
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0,
                           DType::q5_1, DType::q6_k}) {
    const auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(type, 64 * 256)));
    if (type == DType::q6_k) {
      std::memset(bytes->data(), 1, bytes->size());  // small scales, all numbers the same
    } else {
      convert_from_f32(type, values, *bytes);
    }
    for (const Residency residency : {Residency::packed, Residency::streamed}) {
      const Parameter weight({.name = "w", .shape = {64, 256}, .dtype = type, .bytes = *bytes, .owner = bytes},
                             residency);
      // A number of a block has more bits than the activations' type.
      for (int use = 0; use < 3; ++use) {
        expect_same(ops::linear(x.card, weight, std::nullopt), ops::linear(x.processor, weight, std::nullopt),
                    allowed(256, 3));
      }
    }
  }
}

TEST_P(Operations, Attention) {
  struct Case {
    int64_t n, queries, keys, heads, head_dim;
    bool causal;
  };
  for (const Case& c :
       {Case{2, 256, 256, 8, 40, false}, Case{2, 256, 77, 8, 80, false}, Case{1, 77, 77, 12, 64, true},
        Case{1, 64, 64, 1, 512, false}, Case{2, 30, 50, 5, 13, false}, Case{1, 100, 100, 5, 64, false}}) {
    SCOPED_TRACE(::testing::Message() << c.queries << " x " << c.keys << ", head dimension " << c.head_dim);
    const Pair q = tensor({c.n, c.queries, c.heads * c.head_dim}, 1, 2.0f);
    const Pair k = tensor({c.n, c.keys, c.heads * c.head_dim}, 2, 2.0f);
    const Pair v = tensor({c.n, c.keys, c.heads * c.head_dim}, 3);
    const AttentionOptions options{.heads = c.heads, .causal = c.causal};
    // An error of a logit is one of its weight: logits of up to 4 sqrt(head_dim) here.
    const double logit = 4.0 * std::sqrt(static_cast<double>(c.head_dim)) * tolerance(DType::f32, c.head_dim);
    expect_same(ops::attention(q.card, k.card, v.card, options),
                ops::attention(q.processor, k.processor, v.processor, options), allowed(c.keys, 4) + logit);
  }
}

// SD 2's networks have such logits: their products do not fit into f16.
TEST_P(Operations, AttentionWithLargeLogits) {
  const Pair q = tensor({1, 32, 64}, 1, 200.0f);
  const Pair v = tensor({1, 32, 64}, 3);
  const Tensor out = ops::attention(q.card, q.card, v.card, {.heads = 1});
  for (const float value : out.values()) ASSERT_TRUE(std::isfinite(value));
  expect_same(out, ops::attention(q.processor, q.processor, v.processor, {.heads = 1}), allowed(32, 4) + 0x1p-7);
}

TEST_P(Operations, Norms) {
  const Pair x = tensor({2, 16, 24, 320}, 1, 3.0f);
  const Parameter weight = parameter({320}, 2);
  const Parameter bias = parameter({320}, 3);
  for (const Activation activation : {Activation::none, Activation::silu}) {
    expect_same(ops::group_norm(x.card, weight, bias, 32, 1e-5f, activation),
                ops::group_norm(x.processor, weight, bias, 32, 1e-5f, activation), allowed(16 * 24 * 10, 2));
  }
  expect_same(ops::layer_norm(x.card, weight, bias), ops::layer_norm(x.processor, weight, bias), allowed(320, 2));

  const auto banded = [&](const Tensor& whole) {
    const Tensor image = whole.slice(0, 1);
    const Tensor rows = image.reshape({16, 24, 320});
    const auto band = [&](int64_t begin, int64_t end) {
      return rows.slice(begin, end).reshape({1, end - begin, 24, 320});
    };
    ops::ChannelSums sums = ops::channel_sums(band(0, 8));
    ops::add_channel_sums_inplace(sums, band(8, 16));
    Tensor out = ops::empty(whole.device(), image.shape());
    ops::scale_shift_into(image, ops::group_norm_scales(sums, weight, bias, 32, 1e-5f), Activation::silu, out);
    return out;
  };
  expect_same(banded(x.card), banded(x.processor), allowed(16 * 24 * 10, 2));
}

TEST_P(Operations, Movements) {
  const Pair a = tensor({2, 6, 10, 24}, 1);
  const Pair b = tensor({2, 6, 10, 8}, 2);
  expect_same(ops::concat_channels(a.card, b.card), ops::concat_channels(a.processor, b.processor), 0.0);
  expect_same(ops::concat_batch(a.card, a.card), ops::concat_batch(a.processor, a.processor), 0.0);
  expect_same(ops::upsample_nearest_2x(a.card), ops::upsample_nearest_2x(a.processor), 0.0);
  for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    for (const bool align : {false, true}) {
      const ResizeOptions options{.interpolation = interpolation, .align_corners = align};
      expect_same(ops::resize(a.card, 9, 7, options), ops::resize(a.processor, 9, 7, options), allowed(16, 1));
    }
  }
  const PoolOptions pool{.kernel = 3, .stride = 2, .padding = {1, 1, 1, 1}};
  expect_same(ops::max_pool(a.card, pool), ops::max_pool(a.processor, pool), 0.0);
  Tensor copied = ops::empty(*card_, a.card.shape());
  ops::copy_into(a.card, copied);
  expect_same(copied, a.processor, 0.0);
  const std::vector<int32_t> ids = {3, 0, 7, 7};
  const Parameter table = parameter({8, 64}, 3);
  expect_same(ops::embedding(Tensor::from(*card_, {2, 2}, std::span<const int32_t>(ids)), table),
              ops::embedding(Tensor::from(*processor_, {2, 2}, std::span<const int32_t>(ids)), table), allowed(1));
}

TEST_P(Operations, Arithmetic) {
  const Pair a = tensor({3, 1000}, 1);
  const Pair b = tensor({3, 1000}, 2);
  const double exact = tolerance(DType::f32, 3);  // latents stay f32
  EXPECT_EQ((a.card + b.card).dtype(), DType::f32);
  expect_same(ops::combine({{0.5f, &a.card}, {-2.0f, &b.card}}, 0.25f),
              ops::combine({{0.5f, &a.processor}, {-2.0f, &b.processor}}, 0.25f), exact);
  expect_same(a.card * b.card, a.processor * b.processor, exact);
  expect_same(ops::clamp(a.card, -0.5f, 0.25f), ops::clamp(a.processor, -0.5f, 0.25f), 0.0);
  for (const Activation activation : kActivations) {
    const Tensor out = ops::activate(a.card, activation);
    EXPECT_EQ(out.dtype(), GetParam());
    expect_same(out, ops::activate(a.processor, activation), allowed(8));
    EXPECT_EQ((out + out).dtype(), GetParam());
    EXPECT_EQ((out + a.card).dtype(), DType::f32);
  }
}

TEST_P(Operations, NumbersBeyondF16AreKeptWhereTheyAreExpected) {
  const Pair x = tensor({1, 4, 4, 64}, 1, 60000.0f);
  const Parameter weight = parameter({64, 64, 3, 3}, 2);
  const RangeScope scope(*card_, ValueRange::wide);
  const Tensor sum = ops::conv2d(x.card, weight, std::nullopt, {.padding = {1, 1, 1, 1}}) * 4.0f;
  // TF32, where f16 is the usual type, has its precision.
  const double rounding = GetParam() == DType::f16 ? tolerance(DType::f16, 3) : allowed(9 * 64, 3);
  expect_same(sum, ops::conv2d(x.processor, weight, std::nullopt, {.padding = {1, 1, 1, 1}}) * 4.0f, rounding);
}

INSTANTIATE_TEST_SUITE_P(Types, Operations, ::testing::Values(DType::f32, DType::f16, DType::bf16),
                         [](const auto& type) { return std::string(name_of(type.param)); });

}  // namespace
}  // namespace easel::testing
