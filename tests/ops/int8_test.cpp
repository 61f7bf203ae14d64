// Products of 8-bit integers: what a device opened with DeviceOptions::reduced computes.
#include <cmath>
#include <limits>

#include "easel/backend/cpu/int16_attention.h"
#include "easel/backend/cpu/int16_dot.h"
#include "easel/backend/cpu/int8_dot.h"
#include "easel/backend/devices.h"
#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

std::shared_ptr<const Device> int8_device(int threads = 2) {
  return open_device({.threads = threads, .reduced = {.allows = [](std::string_view) { return true; }}});
}

Tensor on(const Device& device, const Tensor& x) { return Tensor::from(device, x.shape(), x.data()); }

// The distance of two neighbouring integers of a row of activations, and of a channel's weights.
double step_of_row(std::span<const float> x) {
  float low = 0.0f, high = 0.0f;
  for (const float value : x) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  return static_cast<double>(high - low) / 255.0;
}

double step_of_weights(std::span<const float> w) {
  float largest = 0.0f;
  for (const float value : w) largest = std::max(largest, std::abs(value));
  return static_cast<double>(largest) / 127.0;
}

// A sum of products, and how far rounding both factors by half a step can take it.
struct Bounded {
  double sum = 0.0;
  double error = 0.0;

  void add(double x, double x_step, double w, double w_step) {
    sum += x * w;
    error += std::abs(w) * x_step / 2 + std::abs(x) * w_step / 2 + x_step * w_step / 4;
  }
};

Bounded bounded_dot(std::span<const float> x, std::span<const float> w) {
  const double x_step = step_of_row(x), w_step = step_of_weights(w);
  Bounded out;
  for (size_t i = 0; i < x.size(); ++i) {
    out.add(static_cast<double>(x[i]), x_step, static_cast<double>(w[i]), w_step);
  }
  return out;
}

void expect_bounded(const Bounded& expected, float actual, double depth) {
  const double rounding =
      tolerance(DType::f32, static_cast<int64_t>(depth)) * (std::abs(expected.sum) + expected.error);
  EXPECT_NEAR(static_cast<double>(actual), expected.sum, expected.error + rounding);
}

TEST(Int16, EveryVariantGivesTheSameIntegers) {
  const std::vector<cpu::Int16Variant>& variants = cpu::int16_variants();
  const std::vector<float> noise = random_values(4096, 11);
  constexpr size_t kDepth = 38;
  for (const size_t rows : {size_t{1}, size_t{5}, size_t{12}, size_t{23}}) {
    for (const size_t columns : {size_t{16}, size_t{32}, size_t{48}, size_t{80}}) {
      std::vector<int16_t> a(rows * kDepth), b(kDepth * columns);
      for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<int16_t>(noise[i] * 7000.0f);
      for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<int16_t>(noise[i + 900] * 7000.0f);
      const cpu::Int16Product product{
          .a = a.data(), .a_stride = kDepth, .b = b.data(), .rows = rows, .columns = columns, .depth = kDepth};
      std::vector<int32_t> expected(rows * columns), actual(rows * columns);
      for (size_t row = 0; row < rows; ++row) {
        for (size_t column = 0; column < columns; ++column) {
          for (size_t k = 0; k < kDepth; ++k)
            expected[row * columns + column] += a[row * kDepth + k] * b[(k / 2 * columns + column) * 2 + k % 2];
        }
      }
      for (const cpu::Int16Variant& variant : variants) {
        variant.kernel(product, actual.data(), columns);
        EXPECT_EQ(actual, expected) << variant.name << ", " << rows << " x " << columns;
      }
    }
  }
}

struct Int16AttentionCase {
  const char* name;
  int64_t n, queries, keys, heads, head_dim;
  float magnitude = 1.0f;  // of the queries: large ones make the softmax sharp
};

void PrintTo(const Int16AttentionCase& c, std::ostream* stream) { *stream << c.name; }

class Int16Attention : public ::testing::TestWithParam<Int16AttentionCase> {};

// Bounds by the number of levels: scores lose up to half a level of each factor, weights half a level of the largest
// one of 256 keys, values half a level of their channel.
TEST_P(Int16Attention, IsWithinItsRounding) {
  const Int16AttentionCase& c = GetParam();
  const int64_t d = c.heads * c.head_dim;
  const Tensor q = random_tensor({c.n, c.queries, d}, 1) * c.magnitude;
  Tensor k = random_tensor({c.n, c.keys, d}, 2);
  for (size_t i = 0; i < k.data().size(); ++i) k.data()[i] += 3.0f;  // what all keys have changes nothing
  const Tensor v = random_tensor({c.n, c.keys, d}, 3);
  Tensor out = Tensor::empty(q.device(), q.shape());
  cpu::int16_attention(2, q, k, v, {.heads = c.heads}, out);

  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  const auto element = [](const Tensor& tensor, int64_t row, int64_t column) {
    return static_cast<double>(tensor.data()[static_cast<size_t>(row * tensor.dim(2) + column)]);
  };
  double largest_q = 0.0, largest_v = 0.0;
  for (const float value : q.data()) largest_q = std::max(largest_q, std::abs(static_cast<double>(value)));
  for (const float value : v.data()) largest_v = std::max(largest_v, std::abs(static_cast<double>(value)));
  constexpr double kLargestKey = 2.0;  // of uniform numbers in [-1, 1] without their mean, generously
  const double score_error =
      scale * static_cast<double>(c.head_dim) * largest_q * kLargestKey * (1.0 / 3600.0 + tolerance(DType::f32, 160));
  for (int64_t row = 0; row < c.n * c.queries; row += 7) {
    for (int64_t head = 0; head < c.heads; ++head) {
      const int64_t image = row / c.queries;
      std::vector<double> scores;
      for (int64_t key = 0; key < c.keys; ++key) {
        double score = 0.0;
        for (int64_t i = head * c.head_dim; i < (head + 1) * c.head_dim; ++i)
          score += element(q, row, i) * element(k, image * c.keys + key, i);
        scores.push_back(score * scale);
      }
      const double largest = *std::ranges::max_element(scores);
      double total = 0.0;
      for (double& score : scores) total += score = std::exp(score - largest);
      const double weight_error = static_cast<double>(c.keys) * 0.5 / 16383.0 / total;
      const double allowed = largest_v * (2.0 * std::expm1(2.0 * score_error) + 2.0 * weight_error + 0.5 / 511.0);
      for (int64_t i = head * c.head_dim; i < (head + 1) * c.head_dim; i += 5) {
        double sum = 0.0;
        for (int64_t key = 0; key < c.keys; ++key)
          sum += scores[static_cast<size_t>(key)] * element(v, image * c.keys + key, i);
        ASSERT_NEAR(element(out, row, i), sum / total, allowed) << "row " << row << ", channel " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(StableDiffusionShapes, Int16Attention,
                         ::testing::Values(Int16AttentionCase{"self_64px", 1, 200, 4096, 8, 40},
                                           Int16AttentionCase{"self_32px", 2, 1024, 1024, 2, 80},
                                           Int16AttentionCase{"sd2", 2, 600, 600, 2, 64},
                                           Int16AttentionCase{"deep", 1, 97, 513, 2, 160},
                                           Int16AttentionCase{"sharp", 1, 300, 555, 2, 40, 8.0f},
                                           Int16AttentionCase{"odd", 2, 31, 19, 3, 7}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Int16Attention, ThreadsChangeNothing) {
  const Tensor q = random_tensor({2, 700, 80}, 1);
  const Tensor k = random_tensor({2, 700, 80}, 2);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Tensor out = Tensor::empty(q.device(), q.shape());
    cpu::int16_attention(threads, q, k, k, {.heads = 2}, out);
    results.emplace_back(out.data().begin(), out.data().end());
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(Int16Attention, NothingButZerosIsTheMeanOfTheValues) {
  const Tensor zeros = Tensor::zeros(cpu_device(), {1, 512, 40});
  const Tensor v = random_tensor({1, 512, 40}, 3);
  Tensor out = Tensor::empty(zeros.device(), zeros.shape());
  cpu::int16_attention(1, zeros, zeros, v, {.heads = 1}, out);
  double mean = 0.0;
  for (size_t row = 0; row < 512; ++row) mean += static_cast<double>(v.data()[row * 40]) / 512.0;
  EXPECT_NEAR(static_cast<double>(out.data()[0]), mean, 1.0 / 1022.0 + tolerance(DType::f32, 512));
}

TEST(Int16Attention, NumbersThatAreNotFiniteShow) {
  const Tensor good = random_tensor({1, 300, 40}, 1);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Tensor spoiled = good.clone();
    spoiled.data()[7 * 40 + 3] = bad;  // of token 7
    Tensor by_query = good.clone(), by_key = good.clone(), by_value = good.clone();
    cpu::int16_attention(2, spoiled, good, good, {.heads = 1}, by_query);
    cpu::int16_attention(2, good, spoiled, good, {.heads = 1}, by_key);
    cpu::int16_attention(2, good, good, spoiled, {.heads = 1}, by_value);
    for (const size_t token : {size_t{0}, size_t{7}, size_t{299}}) {
      EXPECT_EQ(std::isfinite(by_query.data()[token * 40]), token != 7);
      EXPECT_FALSE(std::isfinite(by_key.data()[token * 40]));
      EXPECT_FALSE(std::isfinite(by_value.data()[token * 40 + 3]));
    }
  }
}

TEST(Int8, EveryVariantGivesTheSameIntegers) {
  std::mt19937 generator(1);
  for (const size_t depth : {size_t{4}, size_t{320}, size_t{5120}}) {
    std::vector<uint8_t> a(cpu::kInt8MaxRows * (depth + 8));
    std::vector<int8_t> b(depth * cpu::kInt8Width);
    for (uint8_t& value : a) value = static_cast<uint8_t>(generator());
    for (int8_t& value : b) value = static_cast<int8_t>(generator());
    std::fill_n(a.begin(), depth, uint8_t{255});  // the largest sums
    for (size_t k = 0; k < depth; k += 4) std::fill_n(b.begin() + static_cast<int64_t>(k * cpu::kInt8Width), 4, -128);
    for (size_t rows = 1; rows <= cpu::kInt8MaxRows; ++rows) {
      for (const cpu::Int8Variant& variant : cpu::int8_variants()) {
        std::vector<int32_t> c(rows * cpu::kInt8Width, -1);
        variant.kernel(rows, a.data(), depth + 8, b.data(), depth, c.data());
        for (size_t i = 0; i < c.size(); ++i) {
          int32_t expected = 0;
          for (size_t k = 0; k < depth; ++k) {
            expected += a[i / cpu::kInt8Width * (depth + 8) + k] *
                        b[(k / 4 * cpu::kInt8Width + i % cpu::kInt8Width) * 4 + k % 4];
          }
          ASSERT_EQ(c[i], expected) << variant.name << ", " << rows << " rows, depth " << depth << ", element " << i;
        }
      }
    }
  }
}

TEST(Int8, LinearIsTheProductButForRounding) {
  const auto device = int8_device();
  for (const auto& [rows, d_in, d_out] :
       {std::array<int64_t, 3>{64, 320, 320}, {33, 1280, 77}, {5, 13, 7}, {1, 1, 1}}) {
    const Tensor x = random_tensor({1, rows, d_in}, 1);
    const Parameter weight = random_parameter({d_out, d_in}, 2);
    const Parameter bias = random_parameter({d_out}, 3);
    const Tensor residual = random_tensor({1, rows, d_out}, 4);
    const Tensor out = ops::linear(on(*device, x), weight, bias, {.residual = on(*device, residual)});
    const std::vector<float> weights = weight.values();
    const std::vector<float> biases = bias.values();
    for (const int64_t index : sample_indices(out.count())) {
      const auto row = static_cast<size_t>(index / d_out), column = static_cast<size_t>(index % d_out);
      const auto depth = static_cast<size_t>(d_in);
      Bounded expected =
          bounded_dot(x.data().subspan(row * depth, depth), std::span(weights).subspan(column * depth, depth));
      expected.sum +=
          static_cast<double>(biases[column]) + static_cast<double>(residual.data()[static_cast<size_t>(index)]);
      expect_bounded(expected, out.data()[static_cast<size_t>(index)], static_cast<double>(d_in));
    }
  }
}

TEST(Int8, LinearIsMuchNearerThanTheBoundOnAverage) {
  const auto device = int8_device();
  const Tensor x = random_tensor({1, 256, 640}, 1);
  const Parameter weight = random_parameter({640, 640}, 2);
  const Tensor exact = ops::linear(x, weight, std::nullopt);
  const Tensor out = ops::linear(on(*device, x), weight, std::nullopt);
  double error = 0.0, size = 0.0;
  for (size_t i = 0; i < exact.data().size(); ++i) {
    const double value = static_cast<double>(exact.data()[i]);
    error += std::pow(static_cast<double>(out.data()[i]) - value, 2);
    size += value * value;
  }
  // Uniform numbers in [-1, 1) with steps of 2 / 255 and 2 / 254: rounding of each adds a relative variance of
  // (step^2 / 12) / (1 / 3), and both add up.
  const double expected = std::sqrt(2.0 * std::pow(2.0 / 254.0, 2) / 4.0);
  EXPECT_LT(std::sqrt(error / size), 1.1 * expected);
  EXPECT_GT(std::sqrt(error / size), 0.5 * expected);  // it is int8 indeed
}

TEST(Int8, GegluIsNearItsDefinition) {
  const auto device = int8_device();
  for (const int64_t width : {int64_t{160}, int64_t{77}}) {
    const Tensor x = random_tensor({1, 30, 320}, 1);
    const Parameter weight = random_parameter({2 * width, 320}, 2);
    const Parameter bias = random_parameter({2 * width}, 3);
    const Tensor out = ops::linear_geglu(on(*device, x), weight, bias);
    const std::vector<float> weights = weight.values();
    const std::vector<float> biases = bias.values();
    for (const int64_t index : sample_indices(out.count())) {
      const auto row = static_cast<size_t>(index / width);
      const auto half = [&](size_t column) {
        Bounded sum = bounded_dot(x.data().subspan(row * 320, 320), std::span(weights).subspan(column * 320, 320));
        sum.sum += static_cast<double>(biases[column]);
        return sum;
      };
      const Bounded a = half(static_cast<size_t>(index % width));
      const Bounded gate = half(static_cast<size_t>(width + index % width));
      const double value = a.sum * naive_activation(Activation::gelu, gate.sum);
      constexpr double kSteepest = 1.13;  // of gelu
      const double allowed =
          a.error * (std::abs(gate.sum) + kSteepest * gate.error) + std::abs(a.sum) * kSteepest * gate.error;
      EXPECT_NEAR(static_cast<double>(out.data()[static_cast<size_t>(index)]), value, allowed + 1e-5);
    }
  }
}

struct ConvCase {
  int64_t h, w, c_in, c_out, stride;
  PaddingMode padding;
  int64_t top = 1;  // rows of padding above; a band of an image has none
};

TEST(Int8, ConvolutionIsTheDefinitionButForRounding) {
  const auto device = int8_device();
  for (const ConvCase& c : {ConvCase{8, 8, 32, 64, 1, PaddingMode::zeros},
                            {13, 27, 36, 40, 1, PaddingMode::zeros},
                            {8, 12, 32, 32, 1, PaddingMode::circular},
                            {10, 14, 32, 33, 2, PaddingMode::zeros},
                            {6, 14, 32, 40, 1, PaddingMode::zeros, 0}}) {
    const Tensor x = random_tensor({2, c.h, c.w, c.c_in}, 1);
    const Parameter weight = random_parameter({c.c_out, c.c_in, 3, 3}, 2);
    const Parameter bias = random_parameter({c.c_out}, 3);
    const Tensor image_bias = random_tensor({2, c.c_out}, 4);
    Conv2dOptions options{.stride = c.stride,
                          .padding = {.top = c.top, .bottom = 1, .left = 1, .right = 1, .mode = c.padding}};
    options.image_bias = on(*device, image_bias);
    const Tensor out = ops::conv2d(on(*device, x), weight, bias, options);
    const std::vector<float> weights = weight.values();
    const std::vector<float> biases = bias.values();
    const int64_t h = out.dim(1), w = out.dim(2);
    for (const int64_t index : sample_indices(out.count())) {
      const int64_t channel = index % c.c_out, image = index / (c.c_out * h * w);
      const int64_t column = index / c.c_out % w * c.stride, row = index / (c.c_out * w) % h * c.stride;
      const std::span<const float> taps =
          std::span(weights).subspan(static_cast<size_t>(channel * c.c_in * 9), static_cast<size_t>(c.c_in * 9));
      const double taps_step = step_of_weights(taps);
      Bounded expected;
      for (int64_t tap = 0; tap < 9; ++tap) {
        int64_t y = row + tap / 3 - c.top, x_at = column + tap % 3 - 1;
        if (c.padding == PaddingMode::circular) {
          y = (y + c.h) % c.h;
          x_at = (x_at + c.w) % c.w;
        }
        if (y < 0 || y >= c.h || x_at < 0 || x_at >= c.w) continue;
        const auto pixel = x.data().subspan(static_cast<size_t>(((image * c.h + y) * c.w + x_at) * c.c_in),
                                            static_cast<size_t>(c.c_in));
        const double pixel_step = step_of_row(pixel);
        for (size_t i = 0; i < pixel.size(); ++i) {
          expected.add(static_cast<double>(pixel[i]), pixel_step,
                       static_cast<double>(taps[i * 9 + static_cast<size_t>(tap)]), taps_step);
        }
      }
      expected.sum += static_cast<double>(biases[static_cast<size_t>(channel)]) +
                      static_cast<double>(image_bias.data()[static_cast<size_t>(image * c.c_out + channel)]);
      expect_bounded(expected, out.data()[static_cast<size_t>(index)], static_cast<double>(9 * c.c_in));
    }
  }
}

TEST(Int8, ThreadsChangeNothing) {
  const Tensor x = random_tensor({2, 9, 17, 64}, 1);
  std::vector<std::vector<float>> convolved, multiplied;
  for (const int threads : {1, 2, 5}) {
    const auto device = int8_device(threads);  // outlives what the weights keep
    const Parameter weight = random_parameter({96, 64, 3, 3}, 2);
    const Parameter product = random_parameter({100, 64}, 3);
    const Padding padding{.top = 1, .bottom = 1, .left = 1, .right = 1};
    convolved.push_back(ops::conv2d(on(*device, x), weight, std::nullopt, {.padding = padding}).values());
    multiplied.push_back(ops::linear(on(*device, x), product, std::nullopt).values());
  }
  EXPECT_EQ(convolved[0], convolved[1]);
  EXPECT_EQ(convolved[0], convolved[2]);
  EXPECT_EQ(multiplied[0], multiplied[1]);
  EXPECT_EQ(multiplied[0], multiplied[2]);
}

TEST(Int8, ZerosStayZerosAndWhatIsNotFiniteIsSeen) {
  const auto device = int8_device();
  const Parameter weight = random_parameter({40, 64}, 2);
  std::vector<float> values(3 * 64, 0.0f);
  values[64 + 50] = std::numeric_limits<float>::quiet_NaN();
  values[128 + 3] = std::numeric_limits<float>::infinity();
  const Tensor out = ops::linear(Tensor::from(*device, {3, 64}, std::span<const float>(values)), weight, std::nullopt);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(out.data()[i], 0.0f);
    EXPECT_TRUE(std::isnan(out.data()[40 + i]));
    EXPECT_FALSE(std::isfinite(out.data()[80 + i]));
  }
}

TEST(Int8, WeightsThatAreNotNamedStayExact) {
  const auto device =
      open_device({.threads = 1, .reduced = {.allows = [](std::string_view name) { return name != "random"; }}});
  const Tensor x = random_tensor({1, 20, 64}, 1);
  const Parameter weight = random_parameter({64, 64}, 2);
  EXPECT_EQ(ops::linear(on(*device, x), weight, std::nullopt).values(), ops::linear(x, weight, std::nullopt).values());
}

}  // namespace
}  // namespace easel::testing
