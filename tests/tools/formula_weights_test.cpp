// The formula is a contract: reference outputs were computed with these weights. Expected values: integers in Python.
#include "tools/formula_weights.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "easel/tensor/dtype.h"

namespace easel {
namespace {

struct Case {
  std::string name;
  Shape shape;
  int64_t index;
  float value;
  uint16_t half;
};

TEST(FormulaWeights, Fnv1a64MatchesItsDefinition) {
  EXPECT_EQ(fnv1a64(""), 0xCBF29CE484222325u);
  EXPECT_EQ(fnv1a64("a"), 0xAF63DC4C8601EC8Cu);
  EXPECT_EQ(fnv1a64("conv.weight"), 0x796F8DF88F56D987u);
}

TEST(FormulaWeights, EveryKindOfTensorHasItsValues) {
  const std::vector<Case> cases{
      {"norm.weight", {4}, 0, 0x1.e7b9dp-1f, 0x3B9F},                  // 1 + 0.1 u
      {"norm.weight", {4}, 3, 0x1.ed4b7ap-1f, 0x3BB5},                 //
      {"norm.bias", {4}, 0, 0x1.1c572ap-5f, 0x2871},                   // 0.05 u
      {"norm.bias", {4}, 3, -0x1.50771ep-5f, 0xA942},                  //
      {"token_embedding.weight", {3, 2}, 0, -0x1.0c151ap-8f, 0x9C30},  // 0.05 u
      {"token_embedding.weight", {3, 2}, 5, -0x1.1951bep-5f, 0xA865},  //
      {"positional_embedding", {3, 2}, 0, 0x1.16b4dcp-6f, 0x245B},     // 0.02 u
      {"positional_embedding", {3, 2}, 1, -0x1.d78dc2p-11f, 0x935E},   //
      {"logit_scale", {}, 0, 0x1.c2d1f4p-2f, 0x370B},                  // sqrt(3) u
      {"conv.weight", {2, 3, 3, 3}, 0, -0x1.a8cc56p-3f, 0xB2A3},       // u sqrt(3 / 27)
      {"conv.weight", {2, 3, 3, 3}, 53, 0x1.076f26p-3f, 0x301E},       //
  };
  for (const Case& expected : cases) {
    const FormulaWeight weight(expected.name, expected.shape);
    std::vector<float> value(1);
    std::vector<uint16_t> half(1);
    weight.fill(expected.index, value);
    weight.fill_f16(expected.index, half);
    EXPECT_EQ(value[0], expected.value) << expected.name << " " << expected.index;
    EXPECT_EQ(half[0], expected.half) << expected.name << " " << expected.index;
  }
}

TEST(FormulaWeights, ATensorOfARealModel) {
  const FormulaWeight weight("model.diffusion_model.input_blocks.1.0.in_layers.2.weight", {320, 320, 3, 3});
  std::vector<float> value(1);
  weight.fill(123456, value);
  EXPECT_EQ(value[0], -0x1.c0542ep-7f);
}

TEST(FormulaWeights, PartsEqualTheWhole) {
  const FormulaWeight weight("conv.weight", {2, 3, 3, 3});
  std::vector<float> whole(54);
  std::vector<float> part(20);
  weight.fill(0, whole);
  weight.fill(30, part);
  for (size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part[i], whole[30 + i]);
}

}  // namespace
}  // namespace easel
