// Golden: tools/goldens/tiny_vae.py, PyTorch.
#include "easel/vae/tiny_vae.h"

#include <gmock/gmock.h>

#include "easel/base/error.h"
#include "easel/checkpoint/tiny_vae_file.h"
#include "easel/ops/arithmetic.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/roll.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

// The longest sum is a 3x3 window over 5 channels; 37 convolutions in a row each add an error of their own.
const double kTolerance = tolerance(DType::f32, 9 * 5 * 37);

std::shared_ptr<const Checkpoint> open(const std::string& name) { return Checkpoint::open(golden_path("vae/" + name)); }

TinyVae tiny_vae(const std::string& name) { return *TinyVae::of(open(name), Residency::packed); }

Golden golden() { return Golden("vae/tiny_vae.reference", cpu_device()); }

// From [0, 1], as the reference has images, to [-1, 1].
Tensor spread(const Tensor& image) { return image * 2.0f + -1.0f; }

class EachDecoderFile : public ::testing::TestWithParam<std::string> {};

TEST_P(EachDecoderFile, DecodesLikeTheReference) {
  const TinyVae vae = tiny_vae(GetParam());
  EXPECT_EQ(vae.decoder()->config().factor(), 8);
  EXPECT_TENSOR_NEAR((*vae.decoder())(golden().nhwc("latent")), spread(golden().nhwc("decoded")), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(TinyVae, EachDecoderFile,
                         ::testing::Values("taesd_decoder.pth", "autoencoder-tiny.safetensors"));

class EachEncoderFile : public ::testing::TestWithParam<std::string> {};

TEST_P(EachEncoderFile, EncodesLikeTheReference) {
  const TinyVae vae = tiny_vae(GetParam());
  EXPECT_EQ(vae.encoder()->config().factor(), 8);
  EXPECT_TENSOR_NEAR((*vae.encoder())(spread(golden().nhwc("image"))), golden().nhwc("encoded"), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(TinyVae, EachEncoderFile,
                         ::testing::Values("taesd_encoder.safetensors", "autoencoder-tiny.safetensors"));

TEST(TinyVae, AFileHasTheHalvesThatItHas) {
  EXPECT_FALSE(tiny_vae("taesd_decoder.pth").encoder());
  EXPECT_FALSE(tiny_vae("taesd_encoder.safetensors").decoder());
  EXPECT_TRUE(tiny_vae("autoencoder-tiny.safetensors").decoder());
  EXPECT_TRUE(tiny_vae("autoencoder-tiny.safetensors").encoder());
}

TEST(TinyVae, WithCircularPaddingTheImageMovesWithTheLatent) {
  const TinyVae vae = *TinyVae::of(open("autoencoder-tiny.safetensors"), Residency::packed, PaddingMode::circular);
  const Tensor latent = golden().nhwc("latent");
  EXPECT_TENSOR_NEAR((*vae.decoder())(rolled(latent, 1, 1)), rolled((*vae.decoder())(latent), 8, 8), kTolerance);
}

TEST(TinyVae, OtherVaesAreNone) {
  EXPECT_FALSE(tiny_vae_layout(*Checkpoint::open(golden_path("models/vae-bf16.safetensors"))));
  EXPECT_FALSE(tiny_vae_layout(*Checkpoint::open(golden_path("models/sd1-tiny.ckpt"))));
}

// The golden's tensors, changed by `edit`.
template <typename Edit>
std::string fault_of(const Edit& edit) {
  const auto file = open("autoencoder-tiny.safetensors");
  std::vector<WeightData> tensors(file->tensors().begin(), file->tensors().end());
  edit(tensors);
  try {
    TinyVae::of(Checkpoint::from_tensors("a file", std::move(tensors)), Residency::packed);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
    return error.what();
  }
  return "no error";
}

WeightData& tensor(std::vector<WeightData>& tensors, std::string_view name) {
  return *std::find_if(tensors.begin(), tensors.end(), [&](const WeightData& t) { return t.name == name; });
}

TEST(TinyVae, NamesWhatIsWrongWithAFile) {
  EXPECT_THAT(fault_of([](auto& t) {
                tensor(t, "decoder.layers.0.weight").shape = {5, 16, 3, 3};
              }),
              HasSubstr("this tiny VAE is for latents of 16 channels, but those of Stable Diffusion 1 and 2 have 4"));
  EXPECT_THAT(fault_of([](auto& t) {
                tensor(t, "encoder.layers.0.weight").shape = {3, 1, 3, 3};
              }),
              HasSubstr("the encoder takes images of 1 channels, expected 3"));
  EXPECT_THAT(fault_of([](auto& t) {
                tensor(t, "decoder.layers.18.weight").shape = {4, 3, 3, 3};
              }),
              HasSubstr("decoder.layers.18.weight is [4, 3, 3, 3], expected [3, 3, 3, 3]"));
  EXPECT_THAT(
      fault_of([](auto& t) { std::erase_if(t, [](const auto& x) { return x.name.ends_with("2.conv.2.bias"); }); }),
      HasSubstr("decoder.layers.2.conv.2.bias"));
  EXPECT_THAT(fault_of([](auto& t) {
                std::erase_if(t, [](const auto& x) { return x.name.starts_with("decoder.layers.18."); });
              }),
              HasSubstr("decoder.layers: 14 layers of a tiny VAE, expected convolutions as the first and the last"));
}

}  // namespace
}  // namespace easel::testing
