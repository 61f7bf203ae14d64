// Pictures with 8-bit integers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "easel/pipeline/memory.h"
#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/reduced_layers.h"
#include "easel/pipeline/upscaler.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

Image drawn(const PipelineOptions& options) {
  Request request{.prompt = "a red bird", .width_px = 64, .height_px = 64, .steps = 3, .seed = 1};
  request.watermark = false;
  return Pipeline(options).generate(request).images.front().image;
}

double psnr(const Image& a, const Image& b) {
  double error = 0.0;
  for (size_t i = 0; i < a.bytes().size(); ++i) error += std::pow(int{a.bytes()[i]} - int{b.bytes()[i]}, 2);
  return 10.0 * std::log10(255.0 * 255.0 * static_cast<double>(a.bytes().size()) / error);
}

TEST(Int8Layers, TheUnetsAndTheDecodersButForWhatIsSensitive) {
  const std::string unet = "model.diffusion_model.";
  for (const char* name : {"input_blocks.1.0.in_layers.2.weight", "middle_block.0.out_layers.3.weight",
                           "output_blocks.3.1.transformer_blocks.0.attn1.to_q.weight",
                           "output_blocks.3.1.transformer_blocks.0.attn2.to_out.0.weight",
                           "input_blocks.1.1.transformer_blocks.0.ff.net.0.proj.weight"}) {
    EXPECT_TRUE(allows_reduced(unet + name)) << name;
  }
  for (const char* name :
       {"input_blocks.0.0.weight", "out.2.weight", "time_embed.0.weight", "label_emb.weight",
        "input_blocks.1.0.emb_layers.1.weight", "output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight",
        "output_blocks.3.0.skip_connection.weight"}) {
    EXPECT_FALSE(allows_reduced(unet + name)) << name;
  }
  EXPECT_TRUE(allows_reduced("first_stage_model.decoder.up.1.block.0.conv1.weight"));
  EXPECT_TRUE(allows_reduced("first_stage_model.decoder.mid.block_1.conv1.weight"));
  for (const char* name :
       {"conv_in.weight", "conv_out.weight", "mid.attn_1.q.weight", "up.1.block.0.nin_shortcut.weight"}) {
    EXPECT_FALSE(allows_reduced(std::string("first_stage_model.decoder.") + name)) << name;
  }
  EXPECT_FALSE(allows_reduced("first_stage_model.encoder.down.0.block.0.conv1.weight"));
  EXPECT_FALSE(allows_reduced("cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"));
}

// differs: whether this processor computes with those numbers at all
void expect_near_full_precision(Precision precision, bool differs) {
  PipelineOptions options{.checkpoint = golden_path("models/sd1-tiny.ckpt")};
  const Image exact = drawn(options);
  options.precision = precision;
  const Image picture = drawn(options);
  EXPECT_EQ(picture != exact, differs);
  EXPECT_GT(psnr(picture, exact), 30.0);
  options.low_memory = true;  // packed anew at each use
  EXPECT_EQ(drawn(options), picture);
}

TEST(Int8Pictures, AreNearThoseOfFullPrecision) { expect_near_full_precision(Precision::int8, true); }

// Without AVX-512 or oneDNN they are those of full precision.
TEST(Bf16Pictures, AreNearThoseOfFullPrecision) {
  expect_near_full_precision(Precision::bf16, bf16_unusable_because().empty());
}

TEST(Int8Pictures, TheirWeightsCountInTheMemoryPlan) {
  const auto path = golden_path("models/sd1-tiny.ckpt");
  const JobSize job{.width_px = 64, .height_px = 64, .batch = 1, .latents = 2};
  const auto weights_of = [&](const Model& model) {
    StageModes streamed;
    streamed.residency = Residency::streamed;
    constexpr std::array kSampling = {MemoryStage::sampling};
    const ModelTrial trial(model, job, 2);
    return static_cast<int64_t>(trial(kSampling, {}, 0).tensor_bytes) -
           static_cast<int64_t>(trial(kSampling, streamed, 0).tensor_bytes);
  };
  const Model full({.checkpoint = path});
  const Model int8({.checkpoint = path, .reduced = ReducedNumbers::int8});
  const auto unet_bytes = static_cast<int64_t>(full.file_bytes("model.diffusion_model."));
  EXPECT_GT(weights_of(int8), weights_of(full));
  EXPECT_LT(weights_of(int8), weights_of(full) + 2 * unet_bytes);
}

}  // namespace
}  // namespace easel::testing
