// Layer names of the original layout and of diffusers. The expected ones are those of published SD 1.x files.
#include "easel/adapter/layer_names.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/checkpoint_writer.h"

namespace easel::testing {
namespace {

constexpr std::string_view kUnet = "model.diffusion_model.";

std::string diffusers(std::string_view original) { return diffusers_unet_name(original, 2).value_or("nothing"); }

TEST(LayerNames, AreThoseOfDiffusers) {
  EXPECT_EQ(diffusers("input_blocks.0.0"), "conv_in");
  EXPECT_EQ(diffusers("time_embed.2"), "time_embedding.linear_2");
  EXPECT_EQ(diffusers("input_blocks.1.1.transformer_blocks.0.attn1.to_q"),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q");
  EXPECT_EQ(diffusers("input_blocks.3.0.op"), "down_blocks.0.downsamplers.0.conv");
  EXPECT_EQ(diffusers("input_blocks.5.0.in_layers.2"), "down_blocks.1.resnets.1.conv1");
  EXPECT_EQ(diffusers("input_blocks.11.0.out_layers.3"), "down_blocks.3.resnets.1.conv2");
  EXPECT_EQ(diffusers("middle_block.1.proj_out"), "mid_block.attentions.0.proj_out");
  EXPECT_EQ(diffusers("middle_block.2.emb_layers.1"), "mid_block.resnets.1.time_emb_proj");
  EXPECT_EQ(diffusers("output_blocks.2.1.conv"), "up_blocks.0.upsamplers.0.conv");
  EXPECT_EQ(diffusers("output_blocks.5.2.conv"), "up_blocks.1.upsamplers.0.conv");
  EXPECT_EQ(diffusers("output_blocks.8.0.skip_connection"), "up_blocks.2.resnets.2.conv_shortcut");
  EXPECT_EQ(diffusers("output_blocks.11.1.proj_in"), "up_blocks.3.attentions.2.proj_in");
  EXPECT_EQ(diffusers("out.2"), "conv_out");
}

TEST(LayerNames, OthersHaveNoCounterpart) {
  for (const char* name : {"", "input_blocks", "input_blocks.x.0.op", "input_blocks.1", "middle_block.7.proj_in",
                           "input_blocks.99999999999999999999.0.op", "label_emb.0", "input_blocks.1.0.unheard_of"}) {
    EXPECT_FALSE(diffusers_unet_name(name, 2).has_value()) << name;
  }
  for (const char* name : {"", "down_blocks", "down_blocks.0", "down_blocks.0.resnets.9.conv1",
                           "mid_block.resnets.7.conv1", "up_blocks.0.unheard_of.0.conv"}) {
    EXPECT_FALSE(original_unet_name(name, 2).has_value()) << name;
  }
}

// All layers of real models keep their names on the way there and back, and no two share one.
TEST(LayerNames, ComeBackForEveryLayerOfRealModels) {
  for (const std::string model : {"sd1", "sd2"}) {
    const auto checkpoint = hollow_checkpoint(full_structure(model));
    ASSERT_EQ(count_res_blocks(*checkpoint, kUnet), 2);
    std::set<std::string> seen;
    for (const WeightData& tensor : checkpoint->tensors()) {
      if (!tensor.name.starts_with(kUnet)) continue;
      const std::string name = tensor.name.substr(kUnet.size());
      const auto renamed = diffusers_unet_name(name, 2);
      ASSERT_TRUE(renamed.has_value()) << name;
      EXPECT_TRUE(seen.insert(*renamed).second) << *renamed;
      if (name.ends_with("conv.weight") || name.ends_with("conv.bias")) continue;  // upsamplers: only one way is needed
      EXPECT_EQ(original_unet_name(*renamed, 2).value_or("nothing"), name);
    }
    EXPECT_EQ(seen.size(), 686u);
  }
}

}  // namespace
}  // namespace easel::testing
