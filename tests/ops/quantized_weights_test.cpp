// Quantised weights are unpacked as they are used: every op gives bit for bit what it gives for the unpacked weight.
#include <cctype>
#include <memory>

#include "easel/tensor/blocks.h"
#include "tests/ops/naive.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

constexpr DType kQuantized[] = {DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                                DType::q2_k, DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k};

// The blocks of noise among the recorded ones (the others hold zeros, extremes, ...).
std::span<const std::byte> recorded_noise(DType dtype) {
  static const auto file = Checkpoint::open(golden_path("gguf_quant/quant.safetensors"));
  std::string name(name_of(dtype));
  name[0] = static_cast<char>(std::tolower(name[0]));
  return file->find(name + ".bytes")->bytes.first(static_cast<size_t>(bytes_of(dtype, 1024)));
}

// The recorded blocks over and over, from a different one on in each run, so that no two rows are alike.
Parameter quantized_parameter(DType dtype, const Shape& shape) {
  const std::span<const std::byte> noise = recorded_noise(dtype);
  const auto block_bytes = static_cast<size_t>(block_of(dtype).bytes);
  const size_t blocks = noise.size() / block_bytes;
  const auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(bytes_of(dtype, shape.count())));
  for (size_t i = 0; i * block_bytes < bytes->size(); ++i) {
    const auto block = noise.subspan((i * 7 + i / blocks) % blocks * block_bytes, block_bytes);
    std::copy(block.begin(), block.end(), bytes->begin() + static_cast<ptrdiff_t>(i * block_bytes));
  }
  return Parameter({.name = "w", .shape = shape, .dtype = dtype, .bytes = *bytes, .owner = bytes});
}

Parameter unpacked(const Parameter& weight) {
  const auto values = std::make_shared<const std::vector<float>>(weight.values());
  return Parameter({.name = "w",
                    .shape = weight.shape(),
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*values)),
                    .owner = values});
}

class QuantizedWeights : public ::testing::TestWithParam<DType> {};

TEST_P(QuantizedWeights, Linear) {
  for (const int64_t d_in : {256, 1280}) {
    const Tensor x = random_tensor({1, 37, d_in}, 1);
    const Parameter weight = quantized_parameter(GetParam(), {72, d_in});
    const Parameter bias = random_parameter({72}, 3);
    EXPECT_EQ(ops::linear(x, weight, bias).values(), ops::linear(x, unpacked(weight), bias).values());
    const Parameter middle = weight.rows(8, 40);
    EXPECT_EQ(ops::linear(x, middle, std::nullopt).values(), ops::linear(x, unpacked(middle), std::nullopt).values());
    EXPECT_EQ(ops::linear_geglu(x, weight, bias).values(), ops::linear_geglu(x, unpacked(weight), bias).values());
  }
}

TEST_P(QuantizedWeights, Convolutions) {
  const Padding all{1, 1, 1, 1};
  struct Case {
    int64_t kernel;
    Conv2dOptions options;
  };
  // By Winograd's algorithm; by the definition; as a product.
  for (const Case& c : {Case{3, {.padding = all}}, Case{3, {.stride = 2, .padding = all}}, Case{1, {}}}) {
    const Tensor x = random_tensor({1, 9, 10, 256}, 1);
    const Parameter weight = quantized_parameter(GetParam(), {40, 256, c.kernel, c.kernel});
    const Parameter bias = random_parameter({40}, 3);
    EXPECT_EQ(ops::conv2d(x, weight, bias, c.options).values(),
              ops::conv2d(x, unpacked(weight), bias, c.options).values());
  }
}

TEST_P(QuantizedWeights, Embedding) {
  const std::vector<int32_t> ids{5, 0, 31, 5};
  const Tensor tokens = Tensor::from(cpu_device(), {1, 4}, std::span<const int32_t>(ids));
  const Parameter table = quantized_parameter(GetParam(), {32, 512});
  EXPECT_EQ(ops::embedding(tokens, table).values(), ops::embedding(tokens, unpacked(table)).values());
}

INSTANTIATE_TEST_SUITE_P(Types, QuantizedWeights, ::testing::ValuesIn(kQuantized),
                         [](const auto& type) { return std::string(name_of(type.param)); });

// 96 channels: rows of 27 blocks, packed 18 and 9 at a time.
TEST(QuantizedWeight, RowsOfBlocksOf32) {
  const Tensor x = random_tensor({1, 8, 8, 96}, 1);
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1}) {
    const Parameter weight = quantized_parameter(dtype, {33, 96, 3, 3});
    const Conv2dOptions options{.padding = {1, 1, 1, 1}};
    EXPECT_EQ(ops::conv2d(x, weight, std::nullopt, options).values(),
              ops::conv2d(x, unpacked(weight), std::nullopt, options).values());
  }
}

}  // namespace
}  // namespace easel::testing
