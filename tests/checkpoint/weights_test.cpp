#include "easel/checkpoint/weights.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Weights block() {
  return Weights(
      {f32_tensor("a.0.weight", {2, 3}), f32_tensor("a.0.bias", {2}), f32_tensor("a.conv.weight", {2, 3, 1, 1})});
}

TEST(Weights, ReadsByPath) {
  const Weights weights = block();
  const Parameter weight = (weights / "a" / 0).parameter("weight", {2, 3});
  EXPECT_EQ(weight.name(), "a.0.weight");
  EXPECT_EQ(weight.values(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ((weights / "a.0").parameter("bias", {2}).shape(), (Shape{2}));
  EXPECT_EQ((weights / "a").path(), "a");
  EXPECT_NO_THROW(weights.require_complete());
}

TEST(Weights, TakesA1x1ConvolutionForALinearLayerAndBack) {
  const Weights weights = block() / "a";
  EXPECT_EQ(weights.parameter("conv.weight", {2, 3}).shape(), (Shape{2, 3}));
  EXPECT_EQ(weights.parameter("0.weight", {2, 3, 1, 1}).shape(), (Shape{2, 3, 1, 1}));
  EXPECT_NO_THROW(weights.require_complete());
  EXPECT_EQ(weights.parameter("conv.weight", {3, 2}).shape(), (Shape{0}));
  EXPECT_EQ(weights.parameter("0.bias", {2, 1}).shape(), (Shape{0}));
}

TEST(Weights, TellsWhatIsThere) {
  const Weights weights = block();
  EXPECT_TRUE(weights.has("a"));
  EXPECT_TRUE(weights.has("a.0"));
  EXPECT_TRUE(weights.has("a.0.weight"));
  EXPECT_FALSE(weights.has("a.0.weigh"));
  EXPECT_FALSE((weights / "a").has("1"));
  EXPECT_EQ(weights.shape("a.conv.weight"), (Shape{2, 3, 1, 1}));
  EXPECT_THAT(message_of([&] { (weights / "a").shape("x"); }),
              HasSubstr("tensors in memory: the tensor a.x is missing"));
}

TEST(Weights, ListsAllFaultsAtOnce) {
  const Weights weights = block();
  for (int i = 0; i < 20; ++i) EXPECT_EQ((weights / "b" / i).parameter("weight", {2}).shape(), (Shape{0}));
  EXPECT_EQ((weights / "a.0").parameter("weight", {3, 2}).shape(), (Shape{0}));
  EXPECT_EQ((weights / "b" / 0).parameter("weight", {2}).shape(), (Shape{0}));  // asked twice, listed once
  const std::string message = message_of([&] { weights.require_complete(); });
  EXPECT_THAT(message, HasSubstr("tensors in memory: 20 tensors are missing: b.0.weight, b.1.weight"));
  EXPECT_THAT(message, HasSubstr("b.7.weight and 12 more"));
  EXPECT_THAT(message, HasSubstr("1 tensor does not fit: a.0.weight is [2, 3], expected [3, 2]"));
}

TEST(Weights, OptionalParametersMayBeAbsentButNotOfAnotherShape) {
  const Weights weights = block() / "a.0";
  EXPECT_FALSE(weights.optional_parameter("scale", {2}).has_value());
  EXPECT_TRUE(weights.optional_parameter("bias", {2}).has_value());
  EXPECT_NO_THROW(weights.require_complete());
  EXPECT_TRUE(weights.optional_parameter("bias", {3}).has_value());
  EXPECT_THAT(message_of([&] { weights.require_complete(); }), HasSubstr("a.0.bias is [2], expected [3]"));
}

TEST(Weights, RefusesIntegersAsWeights) {
  WeightData integers = f32_tensor("w", {2});
  integers.dtype = DType::i32;
  const Weights weights({integers});
  weights.parameter("w", {2});
  EXPECT_THAT(message_of([&] { weights.require_complete(); }), HasSubstr("w holds I32, expected floating point"));
}

class Overlay : public ::testing::TestWithParam<std::string> {};  // the prefix of the VAE file's names

TEST_P(Overlay, ReplacesTheVaeButWhatItLacks) {
  const std::vector<WeightData> base{f32_tensor("first_stage_model.decoder.w", {2}),
                                     f32_tensor("first_stage_model.decoder.old", {2}),
                                     f32_tensor("first_stage_model.encoder.w", {3}), f32_tensor("unet.w", {4})};
  const std::vector<float> other{7, 8};
  const auto vae = Checkpoint::from_tensors("vae.pt", {f32_tensor(GetParam() + "decoder.w", {2}, other)});
  const Weights weights = Weights(Checkpoint::from_tensors("base.ckpt", base)).overlay("first_stage_model", vae);
  const Weights first_stage = weights / "first_stage_model";
  EXPECT_EQ(first_stage.parameter("decoder.w", {2}).values(), other);
  EXPECT_EQ(first_stage.parameter("encoder.w", {3}).shape(), (Shape{3}));
  EXPECT_EQ(weights.parameter("unet.w", {4}).shape(), (Shape{4}));
  EXPECT_TRUE(first_stage.has("encoder"));
  EXPECT_FALSE(first_stage.has("decoder.old"));
  first_stage.parameter("decoder.old", {2});
  weights.parameter("unet.x", {2});
  EXPECT_THAT(message_of([&] { weights.require_complete(); }),
              AllOf(HasSubstr("base.ckpt: 1 tensor is missing: unet.x"),
                    HasSubstr("vae.pt: 1 tensor is missing: " + GetParam() + "decoder.old")));
}

INSTANTIATE_TEST_SUITE_P(Prefix, Overlay, ::testing::Values("", "first_stage_model."));

TEST(Weights, AnOverlayHasAFaultListOfItsOwn) {
  const Weights base = block();
  base.parameter("missing", {1});
  const Weights over = base.overlay("vae", Checkpoint::from_tensors("vae.pt", {f32_tensor("x.y", {1})}));
  EXPECT_NO_THROW(over.require_complete());
  EXPECT_EQ((over / "vae").parameter("x.y", {1}).shape(), (Shape{1}));
}

TEST(Weights, LeadingOnesMayBeMissing) {  // as in GGUF
  const Weights weights({f32_tensor("head.weight", {32, 1, 1})});
  EXPECT_EQ(weights.parameter("head.weight", {1, 32, 1, 1}).shape(), (Shape{1, 32, 1, 1}));
  weights.require_complete();
}

TEST(Weights, BlocksMustNotReachIntoTheNextRow) {
  const auto bytes = std::make_shared<const Bytes>(static_cast<size_t>(bytes_of(DType::q8_0, 64)));
  const Weights weights({{.name = "w", .shape = {4, 16, 1, 1}, .dtype = DType::q8_0, .bytes = *bytes, .owner = bytes}});
  EXPECT_EQ(weights.parameter("w", {4, 16}).shape(), Shape({0}));
  EXPECT_THAT(message_of([&] { weights.require_complete(); }),
              HasSubstr("w is [4, 16] in Q8_0, expected rows of whole blocks of 32 elements"));
}

TEST(Weights, NamesAsManyFaultsAsAskedFor) {
  const Weights weights({f32_tensor("a", {2})});
  for (int i = 0; i < 12; ++i) weights.parameter("missing_" + std::to_string(i), {2});
  EXPECT_THAT(message_of([&] { weights.require_complete(); }), HasSubstr("12 tensors are missing: missing_0"));
  EXPECT_THAT(message_of([&] { weights.require_complete(); }), HasSubstr("and 4 more"));
  const std::string all = message_of([&] { weights.require_complete(12); });
  for (int i = 0; i < 12; ++i) EXPECT_THAT(all, HasSubstr("missing_" + std::to_string(i)));
}

TEST(Weights, KnowsWhatNobodyAskedFor) {
  const Weights weights(
      {f32_tensor("net.a", {2}), f32_tensor("net.b", {2, 3}), f32_tensor("net.c", {1}), f32_tensor("other.d", {2})});
  const Weights net = weights / "net";
  net.parameter("a", {2});
  EXPECT_FALSE(net.optional_parameter("x", {1}).has_value());
  EXPECT_EQ(net.unread(), (std::vector<std::string>{"net.b [2, 3]", "net.c [1]"}));
  net.parameter("c", {5});  // of another shape, which is another fault
  EXPECT_EQ(net.unread(), std::vector<std::string>{"net.b [2, 3]"});
  EXPECT_EQ(weights.unread().back(), "other.d [2]");
}

}  // namespace
}  // namespace easel::testing
