// Golden: tests/golden/models, the CompVis and Stability-AI implementations in PyTorch.
#include <algorithm>
#include <cmath>
#include <set>

#include "easel/vae/vae_decoder.h"
#include "easel/vae/vae_encoder.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/roll.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

// The longest sum of these models is the attention over 32 x 32 pixels: 1024. Up to 16 blocks lie between the latent
// and the image, and each adds an error of its own.
const double kTolerance = tolerance(DType::f32, 1024 * 16);

struct Model {
  std::string name;
  std::string file;
  int64_t factor;
};

class EachVae : public ::testing::TestWithParam<Model> {
 protected:
  // What of the reference is about one block, given to `compare` under the block's name.
  BlockObserver compare_with_reference(std::set<std::string>& seen) const {
    return [this, &seen](std::string_view block, const Tensor& output) {
      const std::string name = "vae.0.act." + std::string(block);
      if (!golden_.has(name)) return;
      EXPECT_TENSOR_NEAR(output, golden_.nhwc(name), kTolerance) << name;
      seen.insert(std::string(block));
    };
  }

  const Golden golden_ = Golden("models/" + GetParam().name + ".reference", cpu_device());
  const Weights weights_ = Weights(Checkpoint::open(golden_path("models/" + GetParam().file))) / "first_stage_model";
};

TEST_P(EachVae, DecodesLikeTheReference) {
  const VaeDecoder decode(weights_);
  EXPECT_NO_THROW(weights_.require_complete());
  EXPECT_EQ(decode.config().factor(), GetParam().factor);
  for (int i = 0; golden_.has(fmt::format("vae.decode.{}.z", i)); ++i) {
    const Tensor image = decode(golden_.nhwc(fmt::format("vae.decode.{}.z", i)));
    EXPECT_TENSOR_NEAR(image, golden_.nhwc(fmt::format("vae.decode.{}.image", i)), kTolerance);
  }
}

TEST_P(EachVae, DecoderBlocksMatchTheReference) {
  std::set<std::string> seen;
  const VaeDecoder decode(weights_);
  decode(golden_.nhwc("vae.decode.0.z"), compare_with_reference(seen));
  EXPECT_EQ(seen, (std::set<std::string>{"post_quant_conv", "decoder.conv_in", "decoder.mid.block_1",
                                         "decoder.mid.attn_1", "decoder.mid.block_2"}));
}

// The encoder's input of case i: recorded as bytes.
Tensor read_image(const Golden& golden, int i) {
  const std::string name = fmt::format("vae.encode.{}.image_u8", i);
  std::vector<float> values = golden.values(name);
  for (float& value : values) value = 2.0f * (value / 255.0f) - 1.0f;
  const Shape shape = golden.shape(name);
  return Tensor::from(cpu_device(), {1, shape[0], shape[1], shape[2]}, std::span<const float>(values));
}

TEST_P(EachVae, EncodesLikeTheReference) {
  const VaeEncoder encode(weights_);
  EXPECT_NO_THROW(weights_.require_complete());
  EXPECT_EQ(encode.config().factor(), GetParam().factor);
  for (int i = 0; golden_.has(fmt::format("vae.encode.{}.image_u8", i)); ++i) {
    const Posterior posterior = encode(read_image(golden_, i));
    EXPECT_TENSOR_NEAR(posterior.mean, golden_.nhwc(fmt::format("vae.encode.{}.mean", i)), kTolerance);
    EXPECT_TENSOR_NEAR(posterior.logvar, golden_.nhwc(fmt::format("vae.encode.{}.logvar", i)), kTolerance);
  }
}

TEST_P(EachVae, EncoderBlocksMatchTheReference) {
  std::set<std::string> seen;
  const VaeEncoder encode(weights_);
  encode(golden_.nhwc("vae.encode.0.image"), compare_with_reference(seen));
  EXPECT_EQ(seen, (std::set<std::string>{"encoder.mid.block_1", "encoder.mid.attn_1", "encoder.mid.block_2",
                                         "encoder.conv_out"}));
}

INSTANTIATE_TEST_SUITE_P(Models, EachVae,
                         ::testing::Values(Model{"sd1-tiny", "sd1-tiny.ckpt", 8},
                                           Model{"sd2-tiny", "sd2-tiny.safetensors", 8},
                                           Model{"sd1-inpaint-tiny", "sd1-inpaint-tiny.safetensors", 8},
                                           Model{"x4-upscaler-tiny", "x4-upscaler-tiny.safetensors", 4}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(VaeDecoder, DecodesWithBf16WeightsWithoutPrefix) {
  const Golden golden("models/vae-bf16.reference", cpu_device());
  const Weights weights(Checkpoint::open(golden_path("models/vae-bf16.safetensors")));
  const VaeDecoder decode(weights);
  EXPECT_NO_THROW(weights.require_complete());
  for (int i = 0; i < 2; ++i) {
    const Tensor image = decode(golden.nhwc(fmt::format("vae.decode.{}.z", i)));
    EXPECT_TENSOR_NEAR(image, golden.nhwc(fmt::format("vae.decode.{}.image", i)), kTolerance);  // weights are exact
  }
}

TEST(VaeDecoder, ImagesOfABatchDoNotTouchEachOther) {
  const Golden golden("models/vae-bf16.reference", cpu_device());
  const VaeDecoder decode(Weights(Checkpoint::open(golden_path("models/vae-bf16.safetensors"))));
  const Tensor z = golden.nhwc("vae.decode.0.z");
  std::vector<float> mirrored = z.values();
  std::reverse(mirrored.begin(), mirrored.end());
  const Tensor other = Tensor::from(cpu_device(), z.shape(), std::span<const float>(mirrored));
  const Tensor both = decode(ops::concat_batch(other, z));
  EXPECT_TENSOR_NEAR(both.slice(1, 2), golden.nhwc("vae.decode.0.image"), kTolerance);
}

// A decoder whose images can be laid side by side has no edge: shifting the latent shifts the image.
TEST(VaeDecoder, CircularPaddingHasNoSeam) {
  const Golden golden("models/vae-bf16.reference", cpu_device());
  const Weights weights(Checkpoint::open(golden_path("models/vae-bf16.safetensors")));
  VaeConfig config = VaeConfig::of_decoder(weights);
  const Tensor z = golden.nhwc("vae.decode.0.z");
  const auto shifts_image = [&](const VaeDecoder& decode, int64_t rows, int64_t columns) {
    const Tensor shifted = rolled(decode(z), rows * config.factor(), columns * config.factor());
    return near(decode(rolled(z, rows, columns)), shifted, kTolerance);
  };
  config.padding = PaddingMode::circular;
  const VaeDecoder circular(weights, config);
  for (const auto& [rows, columns] : {std::pair{0, 1}, std::pair{3, 0}, std::pair{1, 5}}) {
    EXPECT_TRUE(shifts_image(circular, rows, columns));
  }
  EXPECT_FALSE(shifts_image(VaeDecoder(weights), 0, 1));
}

TEST(VaeEncoder, CircularPaddingHasNoSeam) {
  const Golden golden("models/sd1-tiny.reference", cpu_device());
  const Weights weights = Weights(Checkpoint::open(golden_path("models/sd1-tiny.ckpt"))) / "first_stage_model";
  VaeConfig config = VaeConfig::of_encoder(weights);
  config.padding = PaddingMode::circular;
  const VaeEncoder encode(weights, config);
  const Tensor image = read_image(golden, 0);
  const Tensor moved = encode(rolled(image, config.factor(), 2 * config.factor())).mean;
  EXPECT_TENSOR_NEAR(moved, rolled(encode(image).mean, 1, 2), kTolerance);
}

TEST(Posterior, SampleIsMeanPlusDeviationTimesNoise) {
  const auto tensor = [](std::vector<float> values) {
    return Tensor::from(cpu_device(), {1, 1, 1, 2}, std::span<const float>(values));
  };
  const Posterior posterior{.mean = tensor({1.0f, -2.0f}), .logvar = tensor({0.0f, 2.0f * std::log(3.0f)})};
  EXPECT_TENSOR_NEAR(posterior.sample(tensor({0.5f, -1.0f})), tensor({1.5f, -5.0f}), tolerance(DType::f32, 2));
}

}  // namespace
}  // namespace easel::testing
