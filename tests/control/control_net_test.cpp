// ControlNet and what the UNet makes of it. Goldens: tools/goldens/control_net.py, PyTorch, seed 0.
#include "easel/control/control_net.h"

#include <gmock/gmock.h>

#include "easel/adapter/control_file.h"
#include "easel/adapter/layer_names.h"
#include "easel/ops/arithmetic.h"
#include "easel/unet/unet.h"
#include "tests/checkpoint/expect_error.h"
#include "tests/control/control_files.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

std::string renamed(std::string name, const std::string& from, const std::string& to) {
  return name.starts_with(from) ? to + name.substr(from.size()) : name;
}

std::string diffusers_name(const std::string& name, int64_t res_blocks) {
  if (name.starts_with("input_hint_block.")) {
    const size_t end = name.find('.', 17);
    const int index = std::stoi(name.substr(17, end - 17)) / 2;
    const std::string part = index == 0 ? "conv_in" : index == 7 ? "conv_out" : "blocks." + std::to_string(index - 1);
    return "controlnet_cond_embedding." + part + name.substr(end);
  }
  if (name.starts_with("zero_convs.")) {
    const size_t end = name.find('.', 11);
    return "controlnet_down_blocks." + name.substr(11, end - 11) + name.substr(end + 2);
  }
  if (name.starts_with("middle_block_out.")) return renamed(name, "middle_block_out.0", "controlnet_mid_block");
  return diffusers_unet_name(name, res_blocks).value();
}

std::string as_it_is(const std::string& name) { return name; }

class ControlNetTest : public ::testing::TestWithParam<ControlCase> {
 protected:
  // Longest sum: 3x3 window, 64 channels; some twenty such layers one after the other.
  static constexpr double kTolerance = 1e-4;

  std::vector<Tensor> run(const Weights& weights, std::optional<int64_t> skips = std::nullopt,
                          const BlockObserver& observe = {}) const {
    const ControlNet control(weights);
    require_control_fit(weights);
    const std::vector<float> timesteps = golden_.values("timesteps");
    return control(golden_.nhwc("x"), timesteps, control.condition(golden_["context"]),
                   control.read_hint(golden_.nhwc("hint")), observe, skips);
  }
  template <typename Name>
  Weights weights(const Name& name) const {
    return control_weights(control_file(name, GetParam()));
  }

  Golden golden_{GetParam().golden, cpu_device()};
};

TEST_P(ControlNetTest, MatchesPyTorch) {
  const std::vector<Tensor> added = run(weights(original_name));
  EXPECT_TENSOR_NEAR(added.back(), golden_.nhwc("middle"), kTolerance);
  const std::vector<std::string> skips = golden_.names("skip_");
  ASSERT_EQ(skips.size(), 3u);
  for (const std::string& name : skips) {
    EXPECT_TENSOR_NEAR(added.at(std::stoul(name.substr(5))), golden_.nhwc(name), kTolerance) << name;
  }
  EXPECT_TRUE(golden_.has("skip_" + std::to_string(added.size() - 2)));  // the last one is among them
}

TEST_P(ControlNetTest, SteersTheUnetAsInPyTorch) {
  std::vector<Tensor> added = run(weights(original_name));
  for (Tensor& tensor : added) tensor = tensor * 0.5f;
  const Weights weights(Checkpoint::open(golden_path(GetParam().model)));
  const UNet unet(weights / "model.diffusion_model");
  const std::vector<float> timesteps = golden_.values("timesteps");
  const auto conditioning = unet.condition(golden_["context"]);
  EXPECT_TENSOR_NEAR(unet(golden_.nhwc("x"), timesteps, conditioning, {}, {}, added), golden_.nhwc("out"), kTolerance);
}

TEST_P(ControlNetTest, FilesOfDiffusersAreTheSame) {
  const std::vector<Tensor> original = run(weights(original_name));
  const std::vector<Tensor> bare = run(weights(as_it_is));
  const auto as_diffusers = [&](const std::string& name) { return diffusers_name(name, GetParam().res_blocks); };
  const std::vector<Tensor> diffusers = run(weights(as_diffusers));
  for (size_t i = 0; i < original.size(); ++i) {
    EXPECT_EQ(bare[i].values(), original[i].values());
    EXPECT_EQ(diffusers[i].values(), original[i].values());
  }
}

// What a UNet with a kept deep feature asks for.
TEST_P(ControlNetTest, TheOutermostAloneAreThoseOfTheWhole) {
  const std::vector<Tensor> whole = run(weights(original_name));
  for (const int64_t skips : {1, 3}) {
    std::vector<std::string> blocks;
    const std::vector<Tensor> outer =
        run(weights(original_name), skips, [&](std::string_view block, const Tensor&) { blocks.emplace_back(block); });
    ASSERT_EQ(outer.size(), static_cast<size_t>(skips));
    for (size_t i = 0; i < outer.size(); ++i) EXPECT_EQ(outer[i].values(), whole[i].values());
    EXPECT_EQ(blocks.size(), outer.size());  // nothing below was computed
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ControlNetTest, ::testing::Values(kSd1Control, kSd2Control),
                         [](const auto& info) { return info.index == 0 ? "Sd1" : "Sd2"; });

// 361 M parameters, 1.45 GB as f32, as lllyasviel publishes them.
TEST(FullSizeControlNet, EveryTensorFindsItsPlace) {
  const auto file = checkpoint_structure("sd1_controlnet");
  int64_t parameters = 0;
  for (const WeightData& tensor : file->tensors()) parameters += tensor.shape.count();
  EXPECT_EQ(parameters, 361'279'120);
  const Weights weights = control_weights(file);
  const ControlNet control(weights);
  EXPECT_NO_THROW(require_control_fit(weights));
  std::vector<int64_t> expected =
      skip_channels(UNetConfig::from(Weights(checkpoint_structure("sd1")) / "model.diffusion_model"));
  expected.push_back(1280);
  EXPECT_EQ(control.config().out_channels, expected);
  EXPECT_THAT(control.config().hint_channels, ::testing::ElementsAre(16, 16, 32, 32, 96, 96, 256, 320));
  EXPECT_EQ(control.config().half.context_width, 768);
}

TEST(ControlNetFile, OtherFilesAreRefusedByWhatTheyAre) {
  const auto refusal = [](const std::map<std::string, Shape>& shapes) {
    return message_of([&] { control_weights(hollow_checkpoint(shapes)); });
  };
  EXPECT_THAT(refusal({{"lora_unet_x.lora_down.weight", {4, 4}}}), HasSubstr("is a LoRA; expected a ControlNet"));
  EXPECT_THAT(refusal({{"x", {4, 4}}}), HasSubstr("is no ControlNet"));
  EXPECT_THAT(
      refusal({{"controlnet_cond_embedding.conv_in.weight", {16, 3, 3, 3}}, {"add_embedding.linear_1.weight", {8, 8}}}),
      HasSubstr("1 tensors have no place in a ControlNet for SD 1.x or 2.x; was it made for another family? "
                "add_embedding.linear_1.weight [8, 8]"));
}

TEST(ControlNetFile, EveryTensorThatDoesNotFitIsNamed) {
  const auto whole = control_file(original_name);
  const auto refusal = [](std::vector<WeightData> tensors) {
    return message_of([&] {
      const Weights weights = control_weights(Checkpoint::from_tensors("control", std::move(tensors)));
      const ControlNet control(weights);
      require_control_fit(weights);
    });
  };
  const std::vector<WeightData> all(whole->tensors().begin(), whole->tensors().end());
  std::vector<WeightData> tensors = all;
  std::vector<std::string> dropped;
  std::erase_if(tensors, [&](const WeightData& tensor) {
    const bool drop = tensor.name.starts_with("control_model.middle_block.0.");
    if (drop) dropped.push_back(tensor.name);
    return drop;
  });
  ASSERT_EQ(dropped.size(), 10u);
  for (const std::string& name : dropped) EXPECT_THAT(refusal(tensors), HasSubstr(name));

  tensors = all;
  for (WeightData& tensor : tensors) {
    if (tensor.name == "control_model.time_embed.2.bias") tensor.shape = {2, tensor.shape.dim(0) / 2};
  }
  EXPECT_THAT(refusal(tensors), HasSubstr("control_model.time_embed.2.bias is [2, 64], expected [128]"));

  tensors = all;
  tensors.push_back(f32_tensor("control_model.task_embedding", {6, 32}));
  tensors.push_back(f32_tensor("control_model.control_add_embedding.linear_1.weight", {4, 4}));
  EXPECT_THAT(refusal(tensors), HasSubstr("2 tensors have no place in a ControlNet for SD 1.x or 2.x; was it made for "
                                          "another family? control_model.control_add_embedding.linear_1.weight [4, 4], "
                                          "control_model.task_embedding [6, 32]"));

  tensors = all;
  std::erase_if(tensors,
                [](const WeightData& tensor) { return tensor.name.find("zero_convs.11.") != std::string::npos; });
  EXPECT_THAT(refusal(tensors), HasSubstr("11 zero convolutions, expected 12"));

  tensors = all;
  tensors.push_back(f32_tensor("difference", {}));
  EXPECT_THAT(refusal(tensors), HasSubstr("holds the difference between a ControlNet and a model"));
}

}  // namespace
}  // namespace easel::testing
