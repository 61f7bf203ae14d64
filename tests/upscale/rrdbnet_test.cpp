// Golden: tests/golden/upscale, tools/goldens/rrdbnet.py in PyTorch.
#include "easel/upscale/rrdbnet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/upscale/rrdbnet_file.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The longest sum is a 3x3 window over 48 channels; an image passes at most 35 convolutions, each with an error of its
// own.
const double kTolerance = tolerance(DType::f32, 9 * 48 * 35);

std::shared_ptr<const Checkpoint> golden_file(const std::string& name) {
  return Checkpoint::open(golden_path("upscale/" + name));
}

RrdbNet read(const std::shared_ptr<const Checkpoint>& file) { return read_rrdbnet(file, Residency::packed); }

struct Network {
  std::string name;  // of the recorded output
  std::string file;
  RrdbNetConfig config;
};

void PrintTo(const Network& network, std::ostream* out) { *out << network.name; }

class EachRrdbNet : public ::testing::TestWithParam<Network> {};

TEST_P(EachRrdbNet, SizesAreReadOffTheWeights) {
  const RrdbNetConfig found = read(golden_file(GetParam().file)).config();
  const RrdbNetConfig& expected = GetParam().config;
  EXPECT_EQ(found.unshuffle, expected.unshuffle);
  EXPECT_EQ(found.features, expected.features);
  EXPECT_EQ(found.growth, expected.growth);
  EXPECT_EQ(found.blocks, expected.blocks);
  EXPECT_EQ(found.doublings, expected.doublings);
}

TEST_P(EachRrdbNet, OutputMatchesTheReference) {
  const Golden golden("upscale/rrdbnet.reference", cpu_device());
  for (const Residency residency : {Residency::packed, Residency::streamed}) {
    const RrdbNet network = read_rrdbnet(golden_file(GetParam().file), residency);
    EXPECT_TENSOR_NEAR(network(golden.nhwc("x")), golden.nhwc(GetParam().name), kTolerance);
  }
}

constexpr RrdbNetConfig small(int64_t blocks, int64_t doublings, int64_t unshuffle = 1) {
  return {.unshuffle = unshuffle, .features = 8, .growth = 2, .blocks = blocks, .doublings = doublings};
}

INSTANTIATE_TEST_SUITE_P(Files, EachRrdbNet,
                         ::testing::Values(Network{"real-esrgan-x4", "real-esrgan-x4.pth", small(2, 2)},
                                           Network{"real-esrgan-x2", "real-esrgan-x2.safetensors", small(1, 2, 2)},
                                           Network{"real-esrgan-x1", "real-esrgan-x1.safetensors", small(1, 2, 4)},
                                           Network{"esrgan-x4", "esrgan-x4.pth", small(1, 2)},
                                           Network{"esrgan-x2", "esrgan-x2.safetensors", small(1, 1)}));

// The tensors of real-esrgan-x4.pth, changed.
std::shared_ptr<const Checkpoint> changed(const std::function<void(std::vector<WeightData>&)>& change) {
  const auto original = golden_file("real-esrgan-x4.pth");
  std::vector<WeightData> tensors(original->tensors().begin(), original->tensors().end());
  change(tensors);
  return Checkpoint::from_tensors("changed.pth", std::move(tensors));
}

void replace_in_names(std::vector<WeightData>& tensors, std::string_view part, std::string_view by) {
  for (WeightData& tensor : tensors) {
    if (const size_t at = tensor.name.find(part); at != std::string::npos) tensor.name.replace(at, part.size(), by);
  }
}

TEST(RrdbNetFile, NamesOfTheFirstReleaseGiveTheSame) {
  const auto released = changed([](std::vector<WeightData>& tensors) {
    for (const auto& [part, by] : {std::pair{"params_ema.", ""},
                                   {"conv_body", "trunk_conv"},
                                   {"body.", "RRDB_trunk."},
                                   {".rdb", ".RDB"},
                                   {"conv_up", "upconv"},
                                   {"conv_hr", "HRconv"}}) {
      replace_in_names(tensors, part, by);
    }
  });
  ASSERT_NE(released->find("RRDB_trunk.1.RDB3.conv5.bias"), nullptr);
  const Golden golden("upscale/rrdbnet.reference", cpu_device());
  EXPECT_TENSOR_NEAR(read(released)(golden.nhwc("x")), golden.nhwc("real-esrgan-x4"), kTolerance);
}

TEST(RrdbNetFile, TheMovingAverageIsPreferred) {
  const auto both = changed([](std::vector<WeightData>& tensors) {
    const std::vector<WeightData> averaged = tensors;
    for (const WeightData& tensor : averaged) {
      const std::vector<float> zeros(static_cast<size_t>(tensor.shape.count()));
      tensors.push_back(f32_tensor("params" + tensor.name.substr(10), tensor.shape, zeros));
    }
  });
  ASSERT_NE(both->find("params.conv_first.weight"), nullptr);
  const Golden golden("upscale/rrdbnet.reference", cpu_device());
  EXPECT_TENSOR_NEAR(read(both)(golden.nhwc("x")), golden.nhwc("real-esrgan-x4"), kTolerance);
}

void expect_refused(const std::shared_ptr<const Checkpoint>& file, const std::string& text) {
  try {
    read(file);
    ADD_FAILURE() << "was read; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(file->file()), HasSubstr(text)));
  }
}

std::shared_ptr<const Checkpoint> with_tensors(const std::vector<WeightData>& tensors) {
  return Checkpoint::from_tensors("other.pth", tensors);
}

TEST(RrdbNetFile, OtherNetworksAreNamed) {
  const std::string swin = "layers.0.residual_group.blocks.0.attn.";
  expect_refused(with_tensors({f32_tensor(swin + "relative_position_bias_table", {225, 6})}), "a SwinIR network");
  expect_refused(with_tensors({f32_tensor(swin + "cpb_mlp.0.weight", {512, 2})}), "a Swin2SR network");
  expect_refused(with_tensors({f32_tensor("layers.0.residual_group.overlap_attn.qkv.weight", {6, 6}),
                               f32_tensor(swin + "relative_position_bias_table", {225, 6})}),
                 "a HAT network");
  expect_refused(
      with_tensors({f32_tensor("params.body.0.weight", {8, 3, 3, 3}), f32_tensor("params.body.1.weight", {8})}),
      "a compact Real-ESRGAN network");
  expect_refused(with_tensors({f32_tensor("body.0.rdb1.conv1.weight", {2, 8, 3, 3}),
                               f32_tensor("body.0.rdb1.conv1x1.weight", {2, 8, 1, 1})}),
                 "an ESRGAN+ network");
  expect_refused(with_tensors({f32_tensor("secret.weight", {3})}),
                 "no network that is known here (it has tensors such "
                 "as secret.weight)");
  expect_refused(with_tensors({f32_tensor("\x1b[31mred", {3})}), "no network that is known here");
}

TEST(RrdbNetFile, MissingWrongAndUnknownTensorsAreNamed) {
  expect_refused(changed([](auto& tensors) {
                   std::erase_if(tensors, [](const WeightData& t) { return t.name.ends_with("rdb2.conv3.bias"); });
                 }),
                 "body.1.rdb2.conv3.bias");
  expect_refused(changed([](auto& tensors) {
                   for (WeightData& tensor : tensors) {
                     if (tensor.name.ends_with("conv_hr.weight")) tensor = f32_tensor(tensor.name, {8, 9, 3, 3});
                   }
                 }),
                 "conv_hr.weight is [8, 9, 3, 3], expected [8, 8, 3, 3]");
  expect_refused(changed([](auto& tensors) { tensors.push_back(f32_tensor("params_ema.body.7.scale", {1})); }),
                 "holds 73 tensors, but an ESRGAN network of 2 blocks has 72");
  expect_refused(changed([](auto& tensors) {
                   for (WeightData& tensor : tensors) {
                     if (tensor.name.ends_with("conv_first.weight")) tensor = f32_tensor(tensor.name, {8, 4, 3, 3});
                   }
                 }),
                 "conv_first.weight is [8, 4, 3, 3], expected 3 (colours), 12 or 48");
}

TEST(RrdbNetFile, TheSmallestAndAnOblongImage) {
  const RrdbNet network = read(golden_file("real-esrgan-x4.pth"));
  EXPECT_EQ(network(Tensor::zeros(cpu_device(), {1, 1, 1, 3})).shape(), Shape({1, 4, 4, 3}));
  EXPECT_EQ(network(Tensor::zeros(cpu_device(), {2, 3, 17, 3})).shape(), Shape({2, 12, 68, 3}));
}

TEST(PixelUnshuffle, KeepsPyTorchsOrder) {
  std::vector<float> values;
  for (int i = 0; i < 4 * 4 * 2; ++i) values.push_back(static_cast<float>(i));
  const Tensor out = pixel_unshuffle(Tensor::from(cpu_device(), {1, 4, 4, 2}, std::span<const float>(values)), 2);
  ASSERT_EQ(out.shape(), Shape({1, 2, 2, 8}));
  // Channel by channel, each with the pixels (0, 0), (0, 1), (1, 0), (1, 1) of its square.
  const std::vector<float> expected = {0, 2, 8, 10, 1, 3, 9, 11};
  const std::vector<float> found = out.values();
  EXPECT_THAT(std::span(found).first(8), ::testing::ElementsAreArray(expected));
}

}  // namespace
}  // namespace easel::testing
