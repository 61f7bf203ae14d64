// Golden: tests/golden/checkpoints, the names and shapes of the public checkpoints.
#include "easel/unet/unet_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"
#include "easel/unet/unet.h"
#include "tests/support/converted_names.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Weights full_size(const std::string& name) { return Weights(checkpoint_structure(name)) / "model.diffusion_model"; }

std::vector<int64_t> channels(const UNetConfig& config) {
  std::vector<int64_t> out;
  for (const UNetLevel& level : config.levels) out.push_back(level.channels);
  return out;
}

std::vector<bool> transformers(const UNetConfig& config) {
  std::vector<bool> out;
  for (const UNetLevel& level : config.levels) out.push_back(level.has_transformers);
  return out;
}

TEST(UNetConfig, OfSd1) {
  const UNetConfig config = UNetConfig::from(full_size("sd1"));
  EXPECT_EQ(config.in_channels, 4);
  EXPECT_EQ(config.out_channels, 4);
  EXPECT_EQ(config.model_channels, 320);
  EXPECT_EQ(config.res_blocks, 2);
  EXPECT_EQ(config.transformer_depth, 1);
  EXPECT_EQ(config.context_width, 768);
  EXPECT_EQ(config.fixed_heads, 8);
  EXPECT_EQ(config.classes, 0);
  EXPECT_EQ(config.size_divisor(), 8);
  EXPECT_THAT(channels(config), ElementsAre(320, 640, 1280, 1280));
  EXPECT_THAT(transformers(config), ElementsAre(true, true, true, false));
}

TEST(UNetConfig, OfSd2) {
  const UNetConfig config = UNetConfig::from(full_size("sd2"));
  EXPECT_EQ(config.context_width, 1024);
  EXPECT_EQ(config.fixed_heads, std::nullopt);
  EXPECT_EQ(config.heads(320), 5);
  EXPECT_EQ(config.heads(1280), 20);
  for (const UNetLevel& level : config.levels) EXPECT_TRUE(level.self_attention);
}

TEST(UNetConfig, MoreInputChannelsForImagesAndDepth) {
  EXPECT_EQ(UNetConfig::from(full_size("sd1_inpaint")).in_channels, 9);
  EXPECT_EQ(UNetConfig::from(full_size("sd2_depth_unet")).in_channels, 5);
}

TEST(UNetConfig, OfTheUpscaler) {
  const UNetConfig config = UNetConfig::from(full_size("x4_upscaler"));
  EXPECT_EQ(config.in_channels, 7);
  EXPECT_EQ(config.model_channels, 256);
  EXPECT_EQ(config.classes, 1000);
  EXPECT_EQ(config.fixed_heads, 8);
  EXPECT_THAT(channels(config), ElementsAre(256, 512, 512, 1024));
  EXPECT_THAT(transformers(config), ElementsAre(false, true, true, true));
  EXPECT_FALSE(config.levels[1].self_attention);
  EXPECT_FALSE(config.levels[2].self_attention);
  EXPECT_TRUE(config.levels[3].self_attention);
}

TEST(UNet, FindsEveryWeightOfTheFullSizeCheckpoints) {
  for (const std::string name : {"sd1", "sd1_inpaint", "sd2", "sd2_depth_unet", "x4_upscaler"}) {
    const Weights weights = full_size(name);
    const UNet unet(weights);
    EXPECT_NO_THROW(weights.require_complete()) << name;
  }
}

// The structure of sd1.json after `change`, and what is said of it.
std::string fault(const std::function<void(std::vector<WeightData>&)>& change) {
  const auto sd1 = checkpoint_structure("sd1");
  std::vector<WeightData> tensors(sd1->tensors().begin(), sd1->tensors().end());
  change(tensors);
  const Weights weights = Weights(std::move(tensors)) / "model.diffusion_model";
  try {
    const UNet unet(weights);
    weights.require_complete();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
    return error.what();
  }
  return "no fault";
}

void reshape(std::vector<WeightData>& tensors, const std::string& name, const Shape& shape) {
  for (WeightData& tensor : tensors) {
    if (tensor.name != "model.diffusion_model." + name) continue;
    tensor.shape = shape;
    tensor.bytes = {tensor.bytes.data(), static_cast<size_t>(2 * shape.count())};
  }
}

void remove(std::vector<WeightData>& tensors, const std::string& part) {
  std::erase_if(tensors, [&](const WeightData& tensor) { return tensor.name.find(part) != std::string::npos; });
}

TEST(UNet, NamesWhatIsMissing) {
  EXPECT_THAT(fault([](auto& tensors) { remove(tensors, "middle_block.1.norm."); }),
              HasSubstr("2 tensors are missing: model.diffusion_model.middle_block.1.norm"));
  EXPECT_THAT(fault([](auto& tensors) { remove(tensors, "input_blocks.0.0"); }),
              HasSubstr("input_blocks.0.0.weight is missing"));
  EXPECT_THAT(fault([](auto& tensors) { remove(tensors, "input_blocks.11."); }), HasSubstr("7 res blocks in 4 levels"));
  EXPECT_THAT(fault([](auto& tensors) { remove(tensors, "middle_block"); }), HasSubstr("missing"));
  EXPECT_THAT(fault([](auto& tensors) { remove(tensors, "output_blocks"); }), HasSubstr("missing"));
}

TEST(UNet, NamesWhatDoesNotFit) {
  EXPECT_THAT(fault([](auto& tensors) { reshape(tensors, "input_blocks.0.0.weight", {320}); }),
              HasSubstr("input_blocks.0.0.weight is [320], expected 4 dimensions"));
  EXPECT_THAT(fault([](auto& tensors) {
                reshape(tensors, "input_blocks.0.0.weight", {40, 4, 3, 3});
              }),
              HasSubstr("40 model channels, expected a multiple of 32"));
  EXPECT_THAT(fault([](auto& tensors) {
                reshape(tensors, "out.2.weight", {4, 64, 3, 3});
              }),
              HasSubstr("out.2.weight is [4, 64, 3, 3], expected [4, 320, 3, 3]"));
}

// stable-diffusion.cpp makes 1x1 convolutions of SD 2's linear layers, as SD 1 has them.
TEST(UNetConfig, OfSd2AsStableDiffusionCppConvertsIt) {
  const Weights weights = Weights(converted_checkpoint("sd2")) / "model.diffusion_model";
  const UNetConfig config = UNetConfig::from(weights);
  EXPECT_EQ(config.fixed_heads, std::nullopt);
  EXPECT_EQ(config.context_width, 1024);
}

}  // namespace
}  // namespace easel::testing
