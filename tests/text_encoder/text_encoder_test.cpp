// Golden: tests/golden/models, transformers' CLIPTextModel and OpenCLIP in PyTorch.
#include "easel/text_encoder/text_encoder.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

// The longest sum of these models goes over the 512 hidden values of the MLP; each of the 3 layers adds an error.
const double kTolerance = tolerance(DType::f32, 512 * 3);

struct Model {
  std::string name;
  std::string file;
};

class EachTextEncoder : public ::testing::TestWithParam<Model> {
 protected:
  Tensor ids(int prompt) const {
    const std::vector<int32_t> tokens = golden_.integers(fmt::format("tokens.{}", prompt));
    return Tensor::from(cpu_device(), {1, static_cast<int64_t>(tokens.size())}, std::span<const int32_t>(tokens));
  }

  const Golden golden_ = Golden("models/" + GetParam().name + ".reference", cpu_device());
  const Weights weights_ = Weights(Checkpoint::open(golden_path("models/" + GetParam().file))) / "cond_stage_model";
  const TextEncoder encode_ = TextEncoder(weights_);
};

TEST_P(EachTextEncoder, FindsAllItsWeights) { EXPECT_NO_THROW(weights_.require_complete()); }

TEST_P(EachTextEncoder, EncodesLikeTheReference) {
  for (int i = 0; golden_.has(fmt::format("tokens.{}", i)); ++i) {
    EXPECT_TENSOR_NEAR(encode_(ids(i)), golden_[fmt::format("text.{}", i)], kTolerance) << i;
  }
}

TEST_P(EachTextEncoder, EncodesABatch) {
  std::vector<int32_t> tokens = golden_.integers("tokens.0");
  const std::vector<int32_t> second = golden_.integers("tokens.1");
  tokens.insert(tokens.end(), second.begin(), second.end());
  const Tensor both = encode_(Tensor::from(cpu_device(), {2, 77}, std::span<const int32_t>(tokens)));
  EXPECT_TENSOR_NEAR(both.slice(0, 1), golden_["text.0"], kTolerance);
  EXPECT_TENSOR_NEAR(both.slice(1, 2), golden_["text.1"], kTolerance);
}

TEST_P(EachTextEncoder, LaterTokensDoNotChangeEarlierOnes) {
  std::vector<int32_t> tokens = golden_.integers("tokens.0");
  std::fill(tokens.begin() + 5, tokens.end(), 320);
  const Tensor changed = encode_(Tensor::from(cpu_device(), {1, 77}, std::span<const int32_t>(tokens)));
  const auto five = [](const Tensor& x) { return x.reshape({x.dim(1), x.dim(2)}).slice(0, 5); };
  EXPECT_TENSOR_NEAR(five(changed), five(golden_["text.0"]), kTolerance);
}

TEST_P(EachTextEncoder, ClipSkipLeavesOutTheLastLayers) {
  const Tensor all = encode_(ids(0));
  const Tensor one_less = encode_(ids(0), 1);
  EXPECT_FALSE(near(one_less, all, kTolerance));
  EXPECT_TENSOR_NEAR(encode_(ids(0), 1000), encode_(ids(0), encode_.config().layers_used() - 1), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Models, EachTextEncoder,
                         ::testing::Values(Model{"sd1-tiny", "sd1-tiny.ckpt"},
                                           Model{"sd2-tiny", "sd2-tiny.safetensors"},
                                           Model{"sd1-inpaint-tiny", "sd1-inpaint-tiny.safetensors"},
                                           Model{"x4-upscaler-tiny", "x4-upscaler-tiny.safetensors"}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace easel::testing
