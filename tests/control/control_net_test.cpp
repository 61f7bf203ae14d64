// ControlNet and what the UNet makes of it. Golden: tools/goldens/control_net.py, PyTorch, seed 0.
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

std::string diffusers_name(const std::string& name) {
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
  return diffusers_unet_name(name, 2).value();
}

class ControlNetTest : public ::testing::Test {
 protected:
  // Longest sum: 3x3 window, 64 channels; some twenty such layers one after the other.
  static constexpr double kTolerance = 1e-4;

  std::vector<Tensor> run(const Weights& weights) const {
    const ControlNet control(weights);
    weights.require_complete();
    const std::vector<float> timesteps = golden_.values("timesteps");
    return control(golden_.nhwc("x"), timesteps, control.condition(golden_["context"]),
                   control.read_hint(golden_.nhwc("hint")));
  }

  Golden golden_{kControlGolden, cpu_device()};
};

TEST_F(ControlNetTest, MatchesPyTorch) {
  const auto file = control_file(original_name);
  const std::vector<Tensor> added = run(control_weights(file, Residency::packed));
  ASSERT_EQ(added.size(), 13u);
  EXPECT_TENSOR_NEAR(added[0], golden_.nhwc("skip_0"), kTolerance);
  EXPECT_TENSOR_NEAR(added[6], golden_.nhwc("skip_6"), kTolerance);
  EXPECT_TENSOR_NEAR(added[11], golden_.nhwc("skip_11"), kTolerance);
  EXPECT_TENSOR_NEAR(added[12], golden_.nhwc("middle"), kTolerance);
}

TEST_F(ControlNetTest, SteersTheUnetAsInPyTorch) {
  const auto file = control_file(original_name);
  std::vector<Tensor> added = run(control_weights(file, Residency::packed));
  for (Tensor& tensor : added) tensor = tensor * 0.5f;
  const Weights weights(Checkpoint::open(golden_path("models/sd1-tiny.ckpt")));
  const UNet unet(weights / "model.diffusion_model");
  const std::vector<float> timesteps = golden_.values("timesteps");
  const auto conditioning = unet.condition(golden_["context"]);
  EXPECT_TENSOR_NEAR(unet(golden_.nhwc("x"), timesteps, conditioning, {}, {}, added), golden_.nhwc("out"), kTolerance);
}

TEST_F(ControlNetTest, FilesOfDiffusersAreTheSame) {
  const std::vector<Tensor> original = run(control_weights(control_file(original_name), Residency::packed));
  const std::vector<Tensor> bare =
      run(control_weights(control_file([](const std::string& n) { return n; }), Residency::packed));
  const std::vector<Tensor> diffusers = run(control_weights(control_file(diffusers_name), Residency::packed));
  for (size_t i = 0; i < original.size(); ++i) {
    EXPECT_EQ(bare[i].values(), original[i].values());
    EXPECT_EQ(diffusers[i].values(), original[i].values());
  }
}

TEST_F(ControlNetTest, OtherFilesAreRefusedByWhatTheyAre) {
  const auto refusal = [](const std::map<std::string, Shape>& shapes) {
    return message_of([&] { control_weights(hollow_checkpoint(shapes), Residency::packed); });
  };
  EXPECT_THAT(refusal({{"lora_unet_x.lora_down.weight", {4, 4}}}), HasSubstr("is a LoRA; expected a ControlNet"));
  EXPECT_THAT(refusal({{"x", {4, 4}}}), HasSubstr("is no ControlNet"));
  EXPECT_THAT(
      refusal({{"controlnet_cond_embedding.conv_in.weight", {16, 3, 3, 3}}, {"add_embedding.linear_1.weight", {8, 8}}}),
      HasSubstr("1 tensors have no place in a ControlNet for SD 1.x or 2.x; was it made for another family? "
                "add_embedding.linear_1.weight [8, 8]"));
}

TEST_F(ControlNetTest, MissingTensorsAreNamed) {
  std::vector<WeightData> tensors;
  const auto whole = control_file(original_name);
  for (const WeightData& tensor : whole->tensors()) {
    if (tensor.name != "control_model.middle_block.0.in_layers.2.weight") tensors.push_back(tensor);
  }
  const auto file = Checkpoint::from_tensors("control", tensors);
  EXPECT_THAT(message_of([&] { run(control_weights(file, Residency::packed)); }),
              HasSubstr("control_model.middle_block.0.in_layers.2.weight"));
  std::erase_if(tensors,
                [](const WeightData& tensor) { return tensor.name.find("zero_convs.11.") != std::string::npos; });
  const auto short_file = Checkpoint::from_tensors("control", tensors);
  EXPECT_THAT(message_of([&] { run(control_weights(short_file, Residency::packed)); }),
              HasSubstr("11 zero convolutions, expected 12"));
}

}  // namespace
}  // namespace easel::testing
