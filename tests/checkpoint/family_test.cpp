#include "easel/checkpoint/family.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/converted_names.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

const std::string kUnetInput = "model.diffusion_model.input_blocks.0.0.weight";

Family family_of(const std::map<std::string, Shape>& shapes) { return detect_family(*hollow_checkpoint(shapes)); }

TEST(Family, OfTheFullSizeCheckpoints) {
  EXPECT_EQ(family_of(full_structure("sd1")), Family::sd1);
  EXPECT_EQ(family_of(full_structure("sd1_inpaint")), Family::sd1_inpaint);
  EXPECT_EQ(family_of(full_structure("sd2")), Family::sd2);
  EXPECT_EQ(family_of(full_structure("sd2_depth_unet")), Family::sd2_depth);
  EXPECT_EQ(family_of(full_structure("x4_upscaler")), Family::x4_upscaler);
}

TEST(Family, OfTheTinyCheckpoints) {
  EXPECT_EQ(detect_family(*Checkpoint::open(golden_path("models/sd1-tiny.ckpt"))), Family::sd1);
  EXPECT_EQ(detect_family(*Checkpoint::open(golden_path("models/sd2-tiny.safetensors"))), Family::sd2);
}

TEST(Family, OfCheckpointsThatStableDiffusionCppConverted) {
  EXPECT_EQ(family_of(converted_structure(full_structure("sd1"))), Family::sd1);
  EXPECT_EQ(family_of(converted_structure(full_structure("sd2"))), Family::sd2);
  EXPECT_EQ(family_of(converted_structure(full_structure("sd2_depth_unet"))), Family::sd2_depth);
}

TEST(Family, OfSd2Inpainting) {
  auto shapes = full_structure("sd2");
  shapes[kUnetInput] = {320, 9, 3, 3};
  EXPECT_EQ(family_of(shapes), Family::sd2_inpaint);
}

// Without a text encoder the layers around the transformers tell: convolutions in SD 1, linear in SD 2.
TEST(Family, OfAUnetWithoutTextEncoder) {
  for (const auto& [name, family] : std::map<std::string, Family>{
           {"sd1", Family::sd1}, {"sd2", Family::sd2}, {"sd2_depth_unet", Family::sd2_depth}}) {
    auto shapes = full_structure(name);
    std::erase_if(shapes, [](const auto& item) { return item.first.starts_with("cond_stage_model."); });
    EXPECT_EQ(family_of(shapes), family) << name;
  }
}

struct Foreign {
  std::string kind;
  std::map<std::string, Shape> shapes;
};
void PrintTo(const Foreign& item, std::ostream* out) { *out << item.kind; }

std::map<std::string, Shape> with(std::map<std::string, Shape> base, const std::map<std::string, Shape>& more) {
  base.insert(more.begin(), more.end());
  return base;
}

std::vector<Foreign> foreign_files() {
  const std::map<std::string, Shape> unet{{kUnetInput, {320, 4, 3, 3}}};
  const std::map<std::string, Shape> xl = with(unet, {{"model.diffusion_model.label_emb.0.0.weight", {1280, 2816}}});
  const auto sd1 = full_structure("sd1");
  const auto only = [&](std::string_view prefix, size_t cut) {
    std::map<std::string, Shape> out;
    for (const auto& [name, shape] : sd1) {
      if (name.starts_with(prefix)) out.emplace(name.substr(cut), shape);
    }
    return out;
  };
  return {
      {"an SDXL base checkpoint",
       with(xl, {{"conditioner.embedders.0.transformer.text_model.x", {1}}, {"conditioner.embedders.1.model.x", {1}}})},
      {"an SDXL refiner checkpoint", with(xl, {{"conditioner.embedders.0.model.x", {1}}})},
      {"an SDXL checkpoint", xl},
      {"an SD 2.1 unCLIP checkpoint", with(xl, {{"cond_stage_model.model.ln_final.bias", {1024}}})},
      {"an SD 3 checkpoint", {{"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", {1}}}},
      {"a Flux checkpoint", {{"double_blocks.0.img_attn.qkv.weight", {1}}, {"single_blocks.0.linear1.weight", {1}}}},
      {"a Flux checkpoint",
       {{"model.diffusion_model.double_blocks.0.x", {1}}, {"model.diffusion_model.single_blocks.0.x", {1}}}},
      {"a Stable Cascade checkpoint", {{"clip_txt_pooled_mapper.weight", {1}}, {"down_blocks.0.0.x", {1}}}},
      {"a LoRA", {{"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", {4, 320}}}},
      {"a LoRA", {{"unet.down_blocks.0.attentions.0.to_q.lora_A.weight", {4, 320}}}},
      {"a LoRA (LyCORIS)", {{"lora_unet_x.hada_w1_a", {4, 320}}}},
      {"a ControlNet", with(sd1, {{"control_model.input_hint_block.0.weight", {16, 3, 3, 3}}})},
      {"a ControlNet", {{"input_hint_block.0.weight", {16, 3, 3, 3}}}},
      {"a ControlNet", {{"controlnet_cond_embedding.conv_in.weight", {16, 3, 3, 3}}}},
      {"a textual-inversion embedding", {{"string_to_param.*", {2, 768}}}},
      {"a textual-inversion embedding", {{"emb_params", {2, 768}}}},
      {"a textual-inversion embedding", {{"<cat-toy>", {768}}}},
      {"an SDXL textual-inversion embedding", {{"clip_g", {2, 1280}}, {"clip_l", {2, 768}}}},
      {"a VAE alone", only("first_stage_model.", 0)},
      {"a VAE alone", only("first_stage_model.", 18)},
      {"a VAE in diffusers layout", {{"decoder.conv_in.weight", {1}}, {"decoder.up_blocks.0.x", {1}}}},
      {"a CLIP text encoder alone", only("cond_stage_model.transformer.", 29)},
      {"a text encoder alone", only("cond_stage_model.", 0)},
      {"a UNet in diffusers layout", {{"down_blocks.0.resnets.0.x", {1}}, {"time_embedding.linear_1.weight", {1}}}},
      {"a UNet alone", only("model.diffusion_model.", 22)},
      {"a Stable Video Diffusion checkpoint",
       {{kUnetInput, {320, 8, 3, 3}}, {"model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.bias", {1}}}},
      {"an InstructPix2Pix or Zero123 checkpoint", {{kUnetInput, {320, 8, 3, 3}}}},
      {"a latent diffusion checkpoint of an unknown kind", {{kUnetInput, {320, 6, 3, 3}}}},
      {"a depth network alone", {{"depth_model.model.pretrained.model.cls_token", {1, 1, 768}}}},
      {"a depth network alone",
       {{"pretrained.model.cls_token", {1, 1, 768}}, {"scratch.refinenet1.out_conv.bias", {256}}}},
      {"an ESRGAN upscaler", {{"params_ema.body.0.rdb1.conv1.weight", {1}}}},
      {"no checkpoint of a known family", {{"layer1.weight", {10, 10}}}},
  };
}

class ForeignFamily : public ::testing::TestWithParam<Foreign> {};

TEST_P(ForeignFamily, IsNamed) {
  const auto checkpoint = hollow_checkpoint(GetParam().shapes);
  const std::string message = message_of([&] { detect_family(*checkpoint); });
  EXPECT_THAT(message, HasSubstr("model.safetensors is " + GetParam().kind));
  EXPECT_THAT(message, HasSubstr("easel reads SD 1.x and 2.x checkpoints"));
}

INSTANTIATE_TEST_SUITE_P(All, ForeignFamily, ::testing::ValuesIn(foreign_files()));

TEST(Family, RealVaeAloneIsNamedWithItsUse) {
  const auto vae = Checkpoint::open(golden_path("models/vae-bf16.safetensors"));
  EXPECT_THAT(message_of([&] { detect_family(*vae); }), HasSubstr("give it with --vae FILE beside a checkpoint"));
  EXPECT_EQ(foreign_kind(*vae), "a VAE alone");
}

TEST(Family, VaeFilesAreToldFromOthers) {
  EXPECT_NO_THROW(require_vae(*Checkpoint::open(golden_path("models/vae-bf16.safetensors"))));
  EXPECT_NO_THROW(require_vae(*Checkpoint::open(golden_path("models/sd1-tiny.ckpt"))));
  EXPECT_THAT(message_of([] { require_vae(*hollow_checkpoint({{"x", {1}}})); }), HasSubstr("is no VAE; --vae takes"));
  EXPECT_THAT(message_of([] {
                require_vae(*hollow_checkpoint({{"decoder.conv_in.weight", {1}}, {"decoder.up_blocks.0.x", {1}}}));
              }),
              HasSubstr("is a VAE in diffusers layout; --vae takes"));
}

TEST(Family, Defaults) {
  EXPECT_EQ(defaults_of(Family::sd1).parameterization, Parameterization::eps);
  EXPECT_EQ(defaults_of(Family::sd2).parameterization, std::nullopt);
  EXPECT_EQ(defaults_of(Family::x4_upscaler).parameterization, Parameterization::v);
  EXPECT_EQ(defaults_of(Family::x4_upscaler).scale_factor, 0.08333);
  EXPECT_EQ(default_size_px(Family::sd1, Parameterization::eps), 512);
  EXPECT_EQ(default_size_px(Family::sd2, Parameterization::eps), 512);
  EXPECT_EQ(default_size_px(Family::sd2, Parameterization::v), 768);
}

}  // namespace
}  // namespace easel::testing
