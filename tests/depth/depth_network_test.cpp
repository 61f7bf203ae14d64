// Golden: tests/golden/models, the DPT-hybrid of MiDaS as Stability-AI's stablediffusion uses it, in PyTorch.
#include "easel/depth/depth_network.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "easel/base/error.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The longest sum of the small model is a 3x3 window over 128 channels. A path from the picture to the depth map
// crosses 16 bottlenecks of three convolutions, 12 transformers of two steps and 12 convolutions of the decoder, and
// each adds an error of its own.
const double kTolerance = tolerance(DType::f32, 9 * 128 * (16 * 3 + 12 * 2 + 12));

Weights small_weights() {
  return Weights(Checkpoint::open(golden_path("models/sd2-depth-midas-tiny.safetensors"))) / "depth_model.model";
}

class SmallDepthNetwork : public ::testing::Test {
 protected:
  const Golden golden_ = Golden("models/sd2-depth-midas-tiny.reference", cpu_device());
  const Weights weights_ = small_weights();
  const DepthNetwork network_ = DepthNetwork(weights_);
};

TEST_F(SmallDepthNetwork, FindsAllItsWeights) { EXPECT_NO_THROW(weights_.require_complete()); }

TEST_F(SmallDepthNetwork, OutputsMatchTheReference) {
  for (int i = 0; i < 3; ++i) {
    const Tensor pictures = golden_.nhwc(fmt::format("depth.{}.x", i));
    const Tensor expected = golden_.nhwc(fmt::format("depth.{}.out", i));
    for (int64_t n = 0; n < pictures.dim(0); ++n) {
      EXPECT_TENSOR_NEAR(network_(pictures.slice(n, n + 1)), expected.slice(n, n + 1), kTolerance) << i;
    }
  }
}

TEST_F(SmallDepthNetwork, BlocksMatchTheReference) {
  const std::string prefix = "depth.1.act.";
  std::set<std::string> seen;
  network_(golden_.nhwc("depth.1.x"), [&](std::string_view block, const Tensor& output) {
    const std::string name = prefix + std::string(block);
    if (!golden_.has(name)) return;
    const Tensor expected = golden_.shape(name).rank() == 4 ? golden_.nhwc(name) : golden_[name];
    EXPECT_TENSOR_NEAR(output, expected, kTolerance) << name;
    seen.insert(name);
  });
  const std::vector<std::string> recorded = golden_.names(prefix);
  EXPECT_EQ(recorded.size(), 17U);
  EXPECT_EQ(seen, std::set<std::string>(recorded.begin(), recorded.end()));
}

TEST(StandardizedConv2d, WeightsHaveMeanZeroAndVarianceOne) {
  const auto values = std::make_shared<std::vector<float>>(std::vector<float>{1, 3, 1, 3, 10, 10, 10, 10});
  const Parameter weight({.name = "w",
                          .shape = {2, 2, 1, 2},
                          .dtype = DType::f32,
                          .bytes = std::as_bytes(std::span(*values)),
                          .owner = values});
  EXPECT_THAT(standardized(weight).values(), ElementsAre(-1, 1, -1, 1, 0, 0, 0, 0));
}

TEST(SameWindow, PutsTheSmallerHalfInFront) {
  const auto padding = [](int64_t kernel, int64_t stride) {
    const Padding made = same_window(kernel, stride).padding;
    return std::vector<int64_t>{made.top, made.bottom, made.left, made.right};
  };
  EXPECT_THAT(padding(7, 2), ElementsAre(2, 3, 2, 3));
  EXPECT_THAT(padding(3, 2), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(padding(3, 1), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(padding(1, 2), ElementsAre(0, 0, 0, 0));
}

std::shared_ptr<const Checkpoint> full_structure() { return checkpoint_structure("../models/midas-keys"); }

Weights full_weights() { return Weights(full_structure()) / "depth_model.model"; }

TEST(DepthConfig, OfTheRealNetwork) {
  const DepthConfig config = DepthConfig::from(full_weights());
  EXPECT_EQ(config.stem_channels, 64);
  EXPECT_THAT(config.stage_channels, ElementsAre(256, 512, 1024));
  EXPECT_EQ(config.width, 768);
  EXPECT_EQ(config.mlp_width, 3072);
  EXPECT_EQ(config.position_side, 24);
  EXPECT_THAT(config.token_channels, ElementsAre(768, 768));
  EXPECT_EQ(config.features, 256);
  EXPECT_EQ(config.head_channels, 32);
}

TEST(DepthNetwork, FindsEveryWeightOfTheRealNetwork) {
  const Weights weights = full_weights();
  const DepthNetwork network(weights);
  EXPECT_NO_THROW(weights.require_complete());
}

// The structure of the real network after `change`, and what is said of it.
std::string fault(const std::function<void(std::vector<WeightData>&)>& change) {
  const auto whole = full_structure();
  std::vector<WeightData> tensors(whole->tensors().begin(), whole->tensors().end());
  change(tensors);
  const Weights weights = Weights(std::move(tensors)) / "depth_model.model";
  try {
    const DepthNetwork network(weights);
    weights.require_complete();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
    return error.what();
  }
  return "no fault";
}

std::string fault_without(const std::string& part) {
  return fault([&](auto& tensors) {
    std::erase_if(tensors, [&](const WeightData& tensor) { return tensor.name.find(part) != std::string::npos; });
  });
}

std::string fault_with(const std::string& name, const Shape& shape) {
  return fault([&](auto& tensors) {
    for (WeightData& tensor : tensors) {
      if (tensor.name != "depth_model.model." + name) continue;
      tensor.shape = shape;
      tensor.bytes = {tensor.bytes.data(), static_cast<size_t>(2 * shape.count())};
    }
  });
}

TEST(DepthNetwork, NamesWhatIsMissing) {
  EXPECT_THAT(fault_without("scratch.refinenet2.out_conv.bias"),
              HasSubstr("1 tensor is missing: depth_model.model.scratch.refinenet2.out_conv.bias"));
  EXPECT_THAT(fault_without("pos_embed"), HasSubstr("depth_model.model.pretrained.model.pos_embed is missing"));
  EXPECT_THAT(fault_without("model.blocks.11.attn.qkv.weight"),
              HasSubstr("1 tensor is missing: depth_model.model.pretrained.model.blocks.11.attn.qkv.weight"));
  EXPECT_THAT(fault_without("stages.2.blocks.8."), HasSubstr("9 tensors are missing"));
  EXPECT_THAT(fault_without("refinenet4.resConfUnit1."), "no fault");  // of no use
}

TEST(DepthNetwork, NamesWhatDoesNotFit) {
  EXPECT_THAT(fault_with("pretrained.model.pos_embed", {1, 578, 768}),
              HasSubstr("pos_embed has 578 positions, expected 1 + a square"));
  EXPECT_THAT(fault_with("pretrained.model.patch_embed.proj.weight", {100, 1024}),
              HasSubstr("100 numbers a token, expected a multiple of 64"));
  EXPECT_THAT(fault_with("scratch.output_conv.0.weight", {64, 256, 3, 3}),
              HasSubstr("scratch.output_conv.0.weight is [64, 256, 3, 3], expected [128, 256, 3, 3]"));
  EXPECT_THAT(fault_with("pretrained.model.patch_embed.backbone.stages.1.blocks.0.conv3.weight", {96, 128, 1, 1}),
              HasSubstr("96 channels, expected a multiple of 128"));
}

}  // namespace
}  // namespace easel::testing
