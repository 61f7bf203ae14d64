// Which files are understood, and which weights of real models they change.
#include "easel/adapter/lora.h"

#include <gmock/gmock.h>

#include <set>

#include "easel/adapter/lora_targets.h"
#include "tests/adapter/lora_files.h"
#include "tests/checkpoint/expect_error.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::string_view kUnet = "model.diffusion_model.";
constexpr int64_t kRank = 2;

using Shapes = std::map<std::string, Shape>;

Lora lora_of(const Shapes& shapes) { return Lora(hollow_checkpoint(shapes)); }

bool is_layer(const std::string& name, const Shape& shape) { return name.ends_with(".weight") && shape.rank() >= 2; }

// For each UNet layer that `takes` accepts: down with the layer's window, up with 1 x 1.
template <typename Takes>
Shapes unet_lora(const Shapes& model, Naming naming, const Takes& takes) {
  Shapes out;
  for (const auto& [name, shape] : model) {
    if (!name.starts_with(kUnet) || !is_layer(name, shape)) continue;
    const std::string layer = name.substr(kUnet.size(), name.size() - kUnet.size() - 7);
    if (!takes(layer)) continue;
    const auto [down, up] = unet_names(naming, layer);
    const bool is_conv = shape.rank() == 4;
    out[down] = is_conv ? Shape{kRank, shape.dim(1), shape.dim(2), shape.dim(3)} : Shape{kRank, shape.dim(1)};
    out[up] = is_conv ? Shape{shape.dim(0), kRank, 1, 1} : Shape{shape.dim(0), kRank};
  }
  return out;
}

bool is_attention(const std::string& layer) { return layer.find(".attn") != std::string::npos; }

void expect_all_fit(const Shapes& model, const Shapes& file, size_t layers) {
  const LoraTargets targets(*hollow_checkpoint(model));
  const Lora lora = lora_of(file);
  ASSERT_EQ(lora.layers().size(), layers);
  targets.require_fit(lora);
  std::set<std::string> changed;
  for (const LoraLayer& layer : lora.layers()) changed.insert(targets.find(layer)->tensor);
  EXPECT_EQ(changed.size(), layers);
}

class RealModels : public ::testing::TestWithParam<std::string> {};

TEST_P(RealModels, EveryNamingOfUnetLayersFits) {
  const Shapes model = full_structure(GetParam());
  const auto all = [](const std::string&) { return true; };
  for (const Naming naming : {Naming::kohya, Naming::kohya_original, Naming::diffusers, Naming::peft}) {
    expect_all_fit(model, unet_lora(model, naming, all), 282);  // LoCon: convolutions too
  }
  expect_all_fit(model, unet_lora(model, Naming::processor, is_attention), 128);
}

INSTANTIATE_TEST_SUITE_P(Families, RealModels, ::testing::Values("sd1", "sd2"));

Shapes text_encoder_lora(int64_t layers, int64_t width, const std::string& before, const std::string& middle,
                         const std::string& down, const std::string& up) {
  Shapes out;
  const bool underscores = before.ends_with("_");
  for (int64_t i = 0; i < layers; ++i) {
    for (const std::string part :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"}) {
      const std::string layer = middle + std::to_string(i) + "." + part;
      const std::string name = before + (underscores ? underscored(layer) : layer);
      out[name + down] = {kRank, part == "mlp.fc2" ? 4 * width : width};
      out[name + up] = {part == "mlp.fc1" ? 4 * width : width, kRank};
    }
  }
  return out;
}

TEST(Lora, TextEncodersFit) {
  const std::string layers = "text_model.encoder.layers.";
  const Shapes kohya = text_encoder_lora(12, 768, "lora_te_", layers, ".lora_down.weight", ".lora_up.weight");
  expect_all_fit(full_structure("sd1"), kohya, 72);
  expect_all_fit(full_structure("sd1"),
                 text_encoder_lora(12, 768, "text_encoder.", layers, ".lora_linear_layer.down.weight",
                                   ".lora_linear_layer.up.weight"),
                 72);
}

// OpenCLIP keeps q, k and v in one matrix: each changes its third of the rows.
TEST(Lora, OpenClipsFusedProjectionIsChangedInRows) {
  const Shapes file =
      text_encoder_lora(23, 1024, "lora_te_", "text_model.encoder.layers.", ".lora_down.weight", ".lora_up.weight");
  const LoraTargets targets(*hollow_checkpoint(full_structure("sd2")));
  const Lora lora = lora_of(file);
  ASSERT_EQ(lora.layers().size(), 23u * 6);
  targets.require_fit(lora);
  for (const LoraLayer& layer : lora.layers()) {
    const LoraTarget& target = *targets.find(layer);
    if (layer.key.ends_with("v_proj")) {
      EXPECT_THAT(target.tensor, ::testing::EndsWith(".attn.in_proj_weight"));
      EXPECT_EQ(target.row_begin, 2048);
      EXPECT_EQ(target.row_count, 1024);
    }
    if (layer.key.ends_with("mlp_fc1")) {
      EXPECT_THAT(target.tensor, ::testing::EndsWith(".mlp.c_fc.weight"));
    }
  }
}

TEST(Lora, EveryLayerThatDoesNotFitIsNamed) {
  const LoraTargets targets(*hollow_checkpoint(full_structure("sd1")));
  const Lora lora = lora_of({{"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", {4, 320, 1, 1}},
                             {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight", {320, 4, 1, 1}},
                             {"lora_unet_down_blocks_0_attentions_9_proj_in.lora_down.weight", {4, 320}},
                             {"lora_unet_down_blocks_0_attentions_9_proj_in.lora_up.weight", {320, 4}},
                             {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", {4, 1024}},
                             {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", {4096, 4}}});
  EXPECT_THAT(message_of([&] { targets.require_fit(lora); }),
              AllOf(HasSubstr("2 of its 3 layers do not fit"), HasSubstr("another family of models?"),
                    HasSubstr("no layer for lora_unet_down_blocks_0_attentions_9_proj_in (down [4, 320], up [320, 4])"),
                    HasSubstr("lora_te_text_model_encoder_layers_0_mlp_fc1 (down [4, 1024], up [4096, 4]) on "
                              "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight [3072, 768]")));
}

TEST(Lora, AWindowOfAnotherSizeDoesNotFit) {
  const LoraTargets targets(*hollow_checkpoint(full_structure("sd1")));
  const Lora lora = lora_of({{"lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight", {4, 2880}},
                             {"lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight", {320, 4}}});
  EXPECT_THAT(message_of([&] { targets.require_fit(lora); }), HasSubstr("of another shape are"));
}

TEST(Lora, ScaleIsAlphaByRank) {
  const std::vector<float> alpha = {3.0f};
  const Lora lora(Checkpoint::from_tensors(
      "a", {f32_tensor("lora_unet_x.lora_down.weight", {6, 2}), f32_tensor("lora_unet_x.lora_up.weight", {2, 6}),
            f32_tensor("lora_unet_x.alpha", {}, alpha)}));
  EXPECT_EQ(lora.layers().front().scale, 0.5);
  const Lora without = lora_of({{"x.lora_A.weight", {6, 2}}, {"x.lora_B.weight", {2, 6}}});
  EXPECT_EQ(without.layers().front().scale, 1.0);
}

// A LoRA of rank 4 for three layers of the UNet and one of the text encoder, with diffusers' metadata.
std::map<std::string, double> scales_with(const std::string& metadata) {
  std::vector<WeightData> tensors;
  for (const char* name : {"unet.down_blocks.0.attn1.to_q", "unet.down_blocks.0.attn2.to_q",
                           "unet.mid_block.attn1.to_q", "text_encoder.layers.0.q_proj"}) {
    tensors.push_back(f32_tensor(std::string(name) + ".lora_A.weight", {4, 8}));
    tensors.push_back(f32_tensor(std::string(name) + ".lora_B.weight", {8, 4}));
  }
  const Lora lora(Checkpoint::from_tensors("a", std::move(tensors), {{"lora_adapter_metadata", metadata}}));
  std::map<std::string, double> scales;
  for (const LoraLayer& layer : lora.layers()) scales[layer.key] = layer.scale;
  return scales;
}

TEST(Lora, TheMetadataOfDiffusersTellsTheScale) {
  const auto scales = scales_with(R"({"unet.r": 4, "unet.lora_alpha": 8, "unet.use_rslora": false,
      "unet.alpha_pattern": {"mid_block.attn1.to_q": 2, "attn2.to_q": 16}, "unet.rank_pattern": {},
      "unet.target_modules": ["to_q"], "text_encoder.r": 4, "text_encoder.lora_alpha": 1, "unet.megatron_config": null})");
  EXPECT_EQ(scales.at("down_blocks_0_attn1_to_q"), 2.0);
  EXPECT_EQ(scales.at("down_blocks_0_attn2_to_q"), 4.0);
  EXPECT_EQ(scales.at("mid_block_attn1_to_q"), 0.5);
  EXPECT_EQ(scales.at("layers_0_q_proj"), 0.25);
  EXPECT_EQ(scales_with(R"({"unet.r": 4, "unet.lora_alpha": 8, "unet.use_rslora": true})").at("mid_block_attn1_to_q"),
            4.0);                                                                               // 8 / sqrt(4)
  EXPECT_EQ(scales_with(R"({"text_encoder.lora_alpha": 8})").at("mid_block_attn1_to_q"), 1.0);  // not told
}

TEST(Lora, PatternsOfTheMetadataAreEndsOfNames) {
  const auto scale = [](const std::string& pattern) {
    return scales_with(R"({"unet.lora_alpha": 4, "unet.alpha_pattern": {")" + pattern + R"(": 12}})")
        .at("down_blocks_0_attn1_to_q");
  };
  EXPECT_EQ(scale("to_q"), 3.0);
  EXPECT_EQ(scale("attn1\\\\.to_q"), 3.0);
  EXPECT_EQ(scale("^down_blocks"), 3.0);
  EXPECT_EQ(scale("^down_blocks.0.attn1.to_q$"), 3.0);
  EXPECT_EQ(scale("^attn1.to_q"), 1.0);
  EXPECT_EQ(scale("o_q"), 1.0);
  EXPECT_EQ(scale("down_blocks"), 1.0);
}

TEST(Lora, RanksOfTheMetadataMustBeThoseOfTheTensors) {
  EXPECT_NO_THROW(scales_with(R"({"unet.r": 8, "unet.rank_pattern": {"to_q": 4}})"));
  EXPECT_THAT(
      message_of([] { scales_with(R"({"unet.r": 8})"); }),
      HasSubstr("lora_adapter_metadata says that down_blocks.0.attn1.to_q has rank 8, but its tensors have rank 4"));
}

TEST(Lora, MetadataThatIsNotUnderstoodIsRefused) {
  const auto refusal = [](const char* metadata) { return message_of([&] { scales_with(metadata); }); };
  EXPECT_THAT(refusal("{"), HasSubstr("a: lora_adapter_metadata is not valid JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("is not understood: expected an object"));
  EXPECT_THAT(refusal(R"({"unet.lora_alpha": "8"})"), HasSubstr("unet.lora_alpha is \"8\", expected a number"));
  EXPECT_THAT(refusal(R"({"unet.alpha_pattern": {".*attn[12]": 8}})"),
              HasSubstr("unet.alpha_pattern has the regular expression '.*attn[12]', expected names of layers"));
}

// The files of PEFT's model classes have names without "unet.", and so has their metadata.
TEST(Lora, MetadataOfNamesWithoutPrefix) {
  const auto scale = [](std::vector<WeightData> more) {
    more.push_back(f32_tensor("mid_block.to_q.lora_A.weight", {4, 8}));
    more.push_back(f32_tensor("mid_block.to_q.lora_B.weight", {8, 4}));
    const Lora lora(
        Checkpoint::from_tensors("a", std::move(more), {{"lora_adapter_metadata", R"({"r": 4, "lora_alpha": 2})"}}));
    return lora.layers().front().scale;
  };
  EXPECT_EQ(scale({}), 0.5);
  const std::vector<float> two = {2.0f}, three = {3.0f};
  EXPECT_EQ(scale({f32_tensor("mid_block.to_q.alpha", {}, two)}), 0.5);
  EXPECT_THAT(message_of([&] { scale({f32_tensor("mid_block.to_q.alpha", {}, three)}); }),
              HasSubstr("mid_block.to_q is scaled by 0.75 according to its alpha, but by 0.5"));
}

TEST(Lora, OtherKindsAreRefusedByName) {
  const auto refusal = [](const Shapes& shapes) { return message_of([&] { lora_of(shapes); }); };
  EXPECT_THAT(refusal({{"lora_unet_x.hada_w1_a", {4, 8}}}), HasSubstr("lora_unet_x.hada_w1_a is of the kind LoHa"));
  EXPECT_THAT(refusal({{"lora_unet_x.lokr_w1", {4, 8}}}), HasSubstr("LoKr"));
  EXPECT_THAT(refusal({{"lora_unet_x.lora_down.weight", {4, 8}},
                       {"lora_unet_x.lora_up.weight", {8, 4}},
                       {"lora_unet_x.dora_scale", {8, 1}}}),
              HasSubstr("DoRA"));
  EXPECT_THAT(refusal({{"weight", {4, 8}}}), HasSubstr("is no LoRA"));
}

TEST(Lora, PartsThatDoNotBelongTogetherAreNamed) {
  const auto refusal = [](const Shapes& shapes) { return message_of([&] { lora_of(shapes); }); };
  EXPECT_THAT(refusal({{"lora_unet_x.lora_down.weight", {4, 8}}}), HasSubstr("lora_unet_x has no up"));
  EXPECT_THAT(refusal({{"lora_unet_x.lora_down.weight", {4, 8}}, {"lora_unet_x.lora_up.weight", {8, 5}}}),
              HasSubstr("lora_unet_x: down is [4, 8], up is [8, 5]"));
  EXPECT_THAT(refusal({{"lora_unet_x.lora_down.weight", {4, 8}},
                       {"lora_unet_x.lora_up.weight", {8, 4}},
                       {"lora_unet_x.diff_b", {8}}}),
              HasSubstr("lora_unet_x.diff_b [8]"));
  const auto lonely_alpha = [] {
    const Lora lora(Checkpoint::from_tensors("a", {f32_tensor("x.lora_A.weight", {4, 8}),
                                                   f32_tensor("x.lora_B.weight", {8, 4}), f32_tensor("y.alpha", {1})}));
  };
  EXPECT_THAT(message_of(lonely_alpha), HasSubstr("y.alpha stands alone"));
}

}  // namespace
}  // namespace easel::testing
