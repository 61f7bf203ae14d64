// Token merging: small examples by hand, and what holds for all.
#include "easel/unet/token_merging.h"

#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "tests/support/device.h"
#include "tests/support/tensor_near.h"
#include "tests/unet/models.h"

namespace easel::testing {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

Tensor tokens_of(const std::vector<float>& values, int64_t n, int64_t t) {
  const auto d = static_cast<int64_t>(values.size()) / (n * t);
  return Tensor::from(cpu_device(), {n, t, d}, std::span<const float>(values));
}

std::vector<float> through(const Tensor& tokens, const TokenMergingConfig& config) {
  const TokenMerging merging(tokens, config);
  return merging.unmerge(merging.merge(tokens)).values();
}

// No two alike.
Tensor various(int64_t n, int64_t t, int64_t d) {
  std::vector<float> values(static_cast<size_t>(n * t * d));
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(1.7f * static_cast<float>(i) + 0.3f);
  return tokens_of(values, n, t);
}

// Two tokens to the right, two upwards: whichever stays, its twin is most like it (cosine 1, the others 0).
TEST(TokenMerging, AveragesTheMostAlike) {
  const Tensor tokens = tokens_of({1, 0, 3, 0, 0, 1, 0, 2}, 1, 4);
  std::set<std::vector<float>> results;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    results.insert(through(tokens, {.ratio = 0.25, .rows = 2, .columns = 2, .seeds = {seed}}));
  }
  EXPECT_THAT(results, ElementsAre(std::vector<float>{1, 0, 3, 0, 0, 1.5, 0, 1.5},  //
                                   std::vector<float>{2, 0, 2, 0, 0, 1, 0, 2}));
}

TEST(TokenMerging, OfEachSquareOneStaysAtLeast) {
  const Tensor tokens = tokens_of({1, 0, 3, 0, 0, 1, 0, 2}, 1, 4);
  EXPECT_THAT(through(tokens, {.ratio = 0.75, .rows = 2, .columns = 2, .seeds = {5}}),
              ElementsAreArray({1.0f, 0.75f, 1.0f, 0.75f, 1.0f, 0.75f, 1.0f, 0.75f}));
  EXPECT_EQ(TokenMerging(various(1, 16, 3), {.ratio = 0.5, .rows = 4, .columns = 4, .seeds = {0}}).merged_tokens(), 8);
  // One whole square in 3 x 3, so 8 could go.
  EXPECT_EQ(TokenMerging(various(1, 9, 3), {.ratio = 0.75, .rows = 3, .columns = 3, .seeds = {0}}).merged_tokens(), 3);
}

TEST(TokenMerging, WhatIsEqualComesBackUnchanged) {
  const Tensor tokens = various(2, 24, 5);
  const TokenMerging nothing(tokens, {.ratio = 0.0, .rows = 4, .columns = 6, .seeds = {1, 2}});
  EXPECT_EQ(nothing.merged_tokens(), 24);
  EXPECT_EQ(nothing.unmerge(nothing.merge(tokens)).values(), tokens.values());
  const TokenMerging half(tokens, {.ratio = 0.5, .rows = 4, .columns = 6, .seeds = {1, 2}});
  const Tensor once = half.unmerge(half.merge(tokens));
  EXPECT_NE(once.values(), tokens.values());
  EXPECT_TENSOR_NEAR(half.unmerge(half.merge(once)), once, tolerance(DType::f32, 24));
}

TEST(TokenMerging, AnImageDoesNotDependOnTheOthers) {
  const Tensor tokens = various(2, 64, 8);
  const auto together = through(tokens, {.ratio = 0.5, .rows = 8, .columns = 8, .seeds = {7, 9}});
  const auto alone = through(tokens.slice(1, 2), {.ratio = 0.5, .rows = 8, .columns = 8, .seeds = {9}});
  EXPECT_EQ(std::vector<float>(together.begin() + 64 * 8, together.end()), alone);
}

TEST(TokenMerging, TheSeedChoosesWhoStays) {
  const Tensor tokens = various(1, 64, 8);
  const auto with = [&](uint64_t seed) {
    return through(tokens, {.ratio = 0.5, .rows = 8, .columns = 8, .seeds = {seed}});
  };
  EXPECT_EQ(with(3), with(3));
  EXPECT_NE(with(3), with(4));
}

struct Input {
  explicit Input(const Golden& golden)
      : x(golden.nhwc("unet.0.x")), timesteps(golden.values("unet.0.t")), context(golden["unet.0.context"]) {}
  Tensor x;
  std::vector<float> timesteps;
  Tensor context;
};

TEST(UNetShortcuts, MergingNothingChangesNothing) {
  const Model model{"sd1-tiny", "sd1-tiny.ckpt"};
  const Input input(model.golden());
  const UNet unet(model.unet_weights());
  const auto conditioning = unet.condition(input.context);
  const auto out = [&](double ratio) {
    return unet(input.x, input.timesteps, conditioning, {}, {.token_merging_ratio = ratio}).values();
  };
  EXPECT_EQ(out(0.0), unet(input.x, input.timesteps, conditioning).values());
  EXPECT_NE(out(0.5), out(0.0));
  EXPECT_EQ(out(0.5), out(0.5));
}

TEST(UNetShortcuts, AKeptFeatureGivesTheSameForTheSameInput) {
  const Model model{"sd1-tiny", "sd1-tiny.ckpt"};
  const Input input(model.golden());
  const UNet unet(model.unet_weights());
  const auto conditioning = unet.condition(input.context);
  const auto whole = unet(input.x, input.timesteps, conditioning).values();
  for (int64_t branch = 0; branch < unet.config().branches(); ++branch) {
    UNetShortcuts::DeepFeature deep{.branch = branch, .feature = std::nullopt};
    EXPECT_EQ(unet(input.x, input.timesteps, conditioning, {}, {.deep = &deep}).values(), whole) << branch;
    ASSERT_TRUE(deep.feature) << branch;
    EXPECT_EQ(unet(input.x, input.timesteps, conditioning, {}, {.deep = &deep}).values(), whole) << branch;
  }
}

TEST(UNetShortcuts, AKeptFeatureSparesWhatIsBelow) {
  const Model model{"sd1-tiny", "sd1-tiny.ckpt"};
  const Input input(model.golden());
  const UNet unet(model.unet_weights());
  const auto conditioning = unet.condition(input.context);
  UNetShortcuts::DeepFeature deep{.branch = 1, .feature = std::nullopt};
  unet(input.x, input.timesteps, conditioning, {}, {.deep = &deep});
  std::vector<std::string> blocks;
  unet(input.x, input.timesteps, conditioning,
       [&](std::string_view block, const Tensor&) { blocks.emplace_back(block); }, {.deep = &deep});
  const int64_t last = unet.config().branches() - 1;
  EXPECT_THAT(blocks,
              ElementsAre("time_embed", "input_blocks.0", "input_blocks.1", fmt::format("output_blocks.{}", last - 1),
                          fmt::format("output_blocks.{}", last), "out"));
}

}  // namespace
}  // namespace easel::testing
