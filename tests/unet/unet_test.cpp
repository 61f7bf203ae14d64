// Golden: tests/golden/models, the CompVis and Stability-AI implementations in PyTorch.
#include "easel/unet/unet.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/support/roll.h"
#include "tests/unet/models.h"

namespace easel::testing {
namespace {

// The longest sum of these models is a 3x3 window over 192 channels (128 + 64 of a skip connection). A path from the
// input to the output crosses up to 30 res blocks and transformers, and each adds an error of its own.
const double kTolerance = network_tolerance(9 * 192, 30);

struct Case {
  Tensor x;
  std::vector<float> timesteps;
  Tensor context;
  std::vector<int32_t> labels;
};

Case read_case(const Golden& golden, const std::string& name) {
  const std::vector<float> timesteps = golden.values(name + ".t");
  Case out{golden.nhwc(name + ".x"), timesteps, golden[name + ".context"], {}};
  if (golden.has(name + ".y")) out.labels = golden.integers(name + ".y");
  return out;
}

class EachUNet : public ::testing::TestWithParam<Model> {
 protected:
  const Golden golden_ = GetParam().golden();
  const Weights weights_ = GetParam().unet_weights();
  const UNet unet_ = UNet(weights_);
};

TEST_P(EachUNet, FindsAllItsWeights) { EXPECT_NO_THROW(weights_.require_complete()); }

TEST_P(EachUNet, OutputsMatchTheReference) {
  for (const std::string name : {"unet.0", "unet.1"}) {
    const Case input = read_case(golden_, name);
    const UNet::Conditioning conditioning = unet_.condition(input.context, input.labels);
    const Tensor out = unet_(input.x, input.timesteps, conditioning);
    EXPECT_TENSOR_NEAR(out, golden_.nhwc(name + ".out"), kTolerance) << name;
  }
}

class EachObservedUNet : public EachUNet {};

TEST_P(EachObservedUNet, BlocksMatchTheReference) {
  const Case input = read_case(golden_, "unet.0");
  std::set<std::string> seen;
  unet_(input.x, input.timesteps, unet_.condition(input.context, input.labels),
        [&](std::string_view block, const Tensor& output) {
          const std::string name = "unet.0.act." + std::string(block);
          const Tensor first = output.slice(0, 1);  // the reference holds the first image only
          const Tensor expected = output.shape().rank() == 4 ? golden_.nhwc(name) : golden_[name];
          EXPECT_TENSOR_NEAR(first, expected, kTolerance) << name;
          seen.insert(name);
        });
  const size_t blocks = unet_.config().levels.size() * static_cast<size_t>(2 * unet_.config().res_blocks + 2);
  EXPECT_EQ(seen.size(), blocks + 5);  // time_embed, three parts in the middle, out
}

TEST_P(EachUNet, TakesFractionalTimesteps) {
  const Case input = read_case(golden_, "unet.0");
  const UNet::Conditioning conditioning = unet_.condition(input.context, input.labels);
  const auto at = [&](float timestep) {
    return unet_(input.x, std::vector<float>(input.timesteps.size(), timestep), conditioning);
  };
  const Tensor between = at(500.5f);
  EXPECT_FALSE(near(between, at(500.0f), kTolerance));
  EXPECT_FALSE(near(between, at(501.0f), kTolerance));
}

TEST_P(EachUNet, TakesTheSmallestImageAndAnOblongOne) {
  const Case input = read_case(golden_, "unet.0");
  const UNet::Conditioning conditioning = unet_.condition(input.context, input.labels);
  for (const auto& [h, w] : {std::pair{8, 8}, std::pair{8, 40}}) {
    const Tensor out =
        unet_(Tensor::zeros(cpu_device(), {2, h, w, unet_.config().in_channels}), input.timesteps, conditioning);
    EXPECT_EQ(out.shape(), Shape({2, h, w, 4}));
    EXPECT_TRUE(std::ranges::all_of(out.values(), [](float value) { return std::isfinite(value); }));
  }
}

TEST_P(EachUNet, ImagesOfABatchDoNotTouchEachOther) {
  const Case input = read_case(golden_, "unet.0");
  const Tensor both = unet_(input.x, input.timesteps, unet_.condition(input.context, input.labels));
  for (int64_t i = 0; i < 2; ++i) {
    const auto one = [&](const auto& all) { return std::span(all).subspan(static_cast<size_t>(i), 1); };
    const std::span<const int32_t> labels = input.labels.empty() ? std::span<const int32_t>() : one(input.labels);
    const UNet::Conditioning conditioning = unet_.condition(input.context.slice(i, i + 1), labels);
    const Tensor alone = unet_(input.x.slice(i, i + 1), one(input.timesteps), conditioning);
    EXPECT_TENSOR_NEAR(alone, both.slice(i, i + 1), kTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EachUNet, ::testing::ValuesIn(models()), model_name);
INSTANTIATE_TEST_SUITE_P(Models, EachObservedUNet, ::testing::ValuesIn(observed_models()), model_name);

// Without an edge, shifting the input by what the coarsest level sees as whole pixels shifts the output.
TEST(UNet, CircularPaddingHasNoSeam) {
  const Model model = models().front();
  const Golden golden = model.golden();
  const Weights weights = model.unet_weights();
  UNetConfig config = UNetConfig::from(weights);
  const Case input = read_case(golden, "unet.0");
  const auto shifts_output = [&](const UNet& unet, int64_t rows, int64_t columns) {
    const UNet::Conditioning conditioning = unet.condition(input.context);
    const Tensor shifted = rolled(unet(input.x, input.timesteps, conditioning), rows, columns);
    return near(unet(rolled(input.x, rows, columns), input.timesteps, conditioning), shifted, kTolerance);
  };
  const int64_t step = config.size_divisor();
  config.padding = PaddingMode::circular;
  const UNet circular(weights, config);
  EXPECT_TRUE(shifts_output(circular, 0, step));
  EXPECT_TRUE(shifts_output(circular, step, 0));
  EXPECT_FALSE(shifts_output(UNet(weights), 0, step));
}

TEST(UNet, LabelEmbeddingMatchesTheReference) {
  const Model model{"x4-upscaler-tiny", "x4-upscaler-tiny.safetensors"};
  const Golden golden = model.golden();
  const UNet unet(model.unet_weights());
  const Case input = read_case(golden, "unet.0");
  const UNet::Conditioning conditioning = unet.condition(input.context, input.labels);
  ASSERT_TRUE(conditioning.class_embedding().has_value());
  EXPECT_TENSOR_NEAR(conditioning.class_embedding()->slice(0, 1), golden["unet.0.act.label_emb"], 0.0);
}

TEST(UNet, AnObserverCanStopTheRun) {
  const Model model = models().front();
  const Golden golden = model.golden();
  const UNet unet(model.unet_weights());
  const Case input = read_case(golden, "unet.0");
  const auto stop = [](std::string_view block, const Tensor&) {
    if (block == "middle_block.1") throw Error(ErrorCode::cancelled, "stopped");
  };
  EXPECT_THROW(unet(input.x, input.timesteps, unet.condition(input.context), stop), Error);
}

}  // namespace
}  // namespace easel::testing
