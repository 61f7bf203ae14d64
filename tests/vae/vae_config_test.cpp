// Golden: tests/golden/checkpoints, the names and shapes of the public checkpoints.
#include "easel/vae/vae_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"
#include "easel/vae/vae_decoder.h"
#include "easel/vae/vae_encoder.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Weights full_size(const std::string& name) { return Weights(checkpoint_structure(name)) / "first_stage_model"; }

TEST(VaeConfig, OfSd1) {
  for (const VaeConfig& config : {VaeConfig::of_decoder(full_size("sd1")), VaeConfig::of_encoder(full_size("sd1"))}) {
    EXPECT_EQ(config.latent_channels, 4);
    EXPECT_EQ(config.res_blocks, 2);
    EXPECT_EQ(config.factor(), 8);
    EXPECT_THAT(config.level_channels, ElementsAre(128, 256, 512, 512));
  }
}

TEST(VaeConfig, OfTheUpscaler) {
  for (const VaeConfig& config :
       {VaeConfig::of_decoder(full_size("x4_upscaler")), VaeConfig::of_encoder(full_size("x4_upscaler"))}) {
    EXPECT_EQ(config.latent_channels, 4);
    EXPECT_EQ(config.res_blocks, 2);
    EXPECT_EQ(config.factor(), 4);
    EXPECT_THAT(config.level_channels, ElementsAre(128, 256, 512));
  }
}

TEST(Vae, FindsEveryWeightOfTheFullSizeCheckpoints) {
  for (const std::string name : {"sd1", "sd1_inpaint", "sd2", "sd2_depth_unet", "x4_upscaler"}) {
    const Weights weights = full_size(name);
    const VaeDecoder decoder(weights);
    const VaeEncoder encoder(weights);
    EXPECT_NO_THROW(weights.require_complete()) << name;
  }
}

TEST(Vae, SaysThatThereIsNone) {
  const Weights weights = Weights(checkpoint_structure("sd1")) / "no_such_model";
  for (const auto& read : {VaeConfig::of_decoder, VaeConfig::of_encoder}) {
    try {
      read(weights);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
      EXPECT_THAT(error.what(), HasSubstr("no_such_model"));
    }
  }
}

}  // namespace
}  // namespace easel::testing
