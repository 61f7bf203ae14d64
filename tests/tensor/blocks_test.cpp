#include "easel/tensor/blocks.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cctype>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/golden.h"

namespace easel {
namespace {

constexpr DType kQuantized[] = {DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                                DType::q2_k, DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k};

// tests/golden/gguf_quant: bytes and values as the reference implementation of the types made them.
class Blocks : public ::testing::TestWithParam<DType> {
 protected:
  static std::string key(const std::string& part) {
    std::string name(name_of(GetParam()));
    name[0] = static_cast<char>(std::tolower(name[0]));  // q4_K
    return name + "." + part;
  }
  static std::span<const std::byte> recorded_bytes() { return file().find(key("bytes"))->bytes; }
  static std::vector<uint32_t> recorded_bits() { return bits_of(floats(key("dequantized"))); }
  static std::vector<float> floats(const std::string& name) {
    const WeightData& data = *file().find(name);
    std::vector<float> values(static_cast<size_t>(data.shape.count()));
    convert_to_f32(data.dtype, data.bytes, values);
    return values;
  }
  static std::vector<uint32_t> bits_of(const std::vector<float>& values) {
    std::vector<uint32_t> bits;
    for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
    return bits;
  }
  static const Checkpoint& file() {
    static const auto file = Checkpoint::open(testing::golden_path("gguf_quant/quant.safetensors"));
    return *file;
  }
};

TEST_P(Blocks, DequantizesToTheRecordedBitsOnEveryInstructionSet) {
  const std::vector<uint32_t> expected = recorded_bits();
  ASSERT_EQ(expected.size(), 4096u);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    std::vector<float> values(expected.size());
    convert_to_f32(GetParam(), recorded_bytes(), values);
    EXPECT_EQ(bits_of(values), expected);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST_P(Blocks, QuantizesToTheRecordedBytes) {
  if (!can_quantize(GetParam())) GTEST_SKIP() << "read only";
  const std::vector<float> input = floats("input");
  std::vector<std::byte> bytes(recorded_bytes().size());
  quantize(GetParam(), input, bytes);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), recorded_bytes().begin()));
}

TEST_P(Blocks, AnyAlignment) {
  const auto recorded = recorded_bytes();
  std::vector<std::byte> shifted(recorded.size() + 1);
  std::copy(recorded.begin(), recorded.end(), shifted.begin() + 1);
  std::vector<float> values(4096);
  dequantize(GetParam(), std::span(shifted).subspan(1), values);
  EXPECT_EQ(bits_of(values), recorded_bits());
}

TEST_P(Blocks, SizesAreThoseOfTheBlocks) {
  const Block block = block_of(GetParam());
  EXPECT_TRUE(is_quantized(GetParam()));
  EXPECT_TRUE(is_floating(GetParam()));
  EXPECT_EQ(bytes_of(GetParam(), 4096), static_cast<int64_t>(recorded_bytes().size()));
  EXPECT_EQ(4096 / block.elements * block.bytes, static_cast<int64_t>(recorded_bytes().size()));
}

INSTANTIATE_TEST_SUITE_P(Types, Blocks, ::testing::ValuesIn(kQuantized),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST(ConvertFromF32, RecordedHalvesAndBfloat16) {
  const auto file = Checkpoint::open(testing::golden_path("gguf_quant/quant.safetensors"));
  const WeightData& input = *file->find("f16.input");
  const std::vector<float> values = Parameter(input).values();
  for (const auto& [dtype, recorded] : {std::pair(DType::f16, "f16.bits"), std::pair(DType::bf16, "bf16.bits")}) {
    const auto expected = file->find(recorded)->bytes;
    std::vector<std::byte> bytes(expected.size());
    convert_from_f32(dtype, values, bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin())) << recorded;
  }
  std::vector<std::byte> same(input.bytes.size());
  convert_from_f32(DType::f32, values, same);
  EXPECT_TRUE(std::equal(same.begin(), same.end(), input.bytes.begin()));
}

TEST(Quantize, ZerosAndValuesBelowEveryScaleStayFinite) {
  for (const DType dtype : kQuantized) {
    if (!can_quantize(dtype)) continue;
    for (const float value : {0.0f, -0.0f, 1e-44f, -1e-40f}) {
      std::vector<float> values(32, value);
      values[7] = -value;
      std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(dtype, 32)));
      quantize(dtype, values, bytes);
      std::vector<float> back(32);
      dequantize(dtype, bytes, back);
      for (const float x : back) EXPECT_EQ(x, 0.0f) << name_of(dtype);
    }
  }
}

TEST(Quantize, PlainTypesAreNotQuantized) {
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32, DType::f64, DType::i8, DType::boolean}) {
    EXPECT_FALSE(is_quantized(dtype));
    EXPECT_FALSE(can_quantize(dtype));
    EXPECT_EQ(bytes_of(dtype, 3), 3 * size_of(dtype));
  }
  EXPECT_FALSE(is_floating(DType::i8));
}

}  // namespace
}  // namespace easel
