// Golden: tests/golden/checkpoints, the names and shapes of the public checkpoints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"
#include "easel/text_encoder/text_encoder.h"
#include "tests/support/converted_names.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

Weights full_size(const std::string& name) { return Weights(checkpoint_structure(name)) / "cond_stage_model"; }

TEST(TextEncoderConfig, OfSd1IsClipViTL) {
  const TextEncoderConfig config = TextEncoderConfig::from(full_size("sd1"));
  EXPECT_EQ(config.kind, TextEncoderKind::clip);
  EXPECT_EQ(config.width, 768);
  EXPECT_EQ(config.mlp_width, 3072);
  EXPECT_EQ(config.heads(), 12);
  EXPECT_EQ(config.layers_used(), 12);
}

TEST(TextEncoderConfig, OfSd2IsOpenClipViTHWithoutItsLastLayer) {
  const TextEncoderConfig config = TextEncoderConfig::from(full_size("sd2"));
  EXPECT_EQ(config.kind, TextEncoderKind::open_clip);
  EXPECT_EQ(config.width, 1024);
  EXPECT_EQ(config.mlp_width, 4096);
  EXPECT_EQ(config.heads(), 16);
  EXPECT_EQ(config.layers, 24);
  EXPECT_EQ(config.layers_used(), 23);
}

TEST(TextEncoder, FindsEveryWeightOfTheFullSizeCheckpoints) {
  for (const std::string name : {"sd1", "sd1_inpaint", "sd2", "sd2_depth_unet", "x4_upscaler"}) {
    const Weights weights = full_size(name);
    const TextEncoder encoder(weights);
    EXPECT_NO_THROW(weights.require_complete()) << name;
  }
}

// stable-diffusion.cpp gives OpenCLIP's encoder the names of CLIP's.
TEST(TextEncoder, FindsOpenClipUnderTheNamesOfConvertedFiles) {
  const Weights weights = Weights(converted_checkpoint("sd2")) / "cond_stage_model";
  const TextEncoderConfig config = TextEncoderConfig::from(weights);
  EXPECT_EQ(config.kind, TextEncoderKind::open_clip);
  EXPECT_EQ(config.layers_used(), 23);
  EXPECT_EQ(config.mlp_width, 4096);
  const TextEncoder encoder(weights, config);
  EXPECT_NO_THROW(weights.require_complete());
}

TEST(TextEncoder, SaysThatThereIsNone) {
  try {
    TextEncoderConfig::from(Weights(checkpoint_structure("sd1")) / "no_such_model");
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
    EXPECT_THAT(error.what(), HasSubstr("no_such_model"));
  }
}

}  // namespace
}  // namespace easel::testing
