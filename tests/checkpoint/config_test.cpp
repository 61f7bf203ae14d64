#include "easel/checkpoint/config.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

// The parts of CompVis' v1-inference.yaml and Stability AI's v2-inference-v.yaml.
constexpr std::string_view kV1 = R"(
model:
  base_learning_rate: 1.0e-04
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    num_timesteps_cond: 1
    log_every_t: 200
    timesteps: 1000
    first_stage_key: "jpg"
    image_size: 64
    channels: 4
    cond_stage_trainable: false   # Note: different from the one we trained before
    conditioning_key: crossattn
    monitor: val/loss_simple_ema
    scale_factor: 0.18215
    use_ema: False
    scheduler_config: # 10000 warmup steps
      target: ldm.lr_scheduler.LambdaLinearScheduler
      params:
        warm_up_steps: [ 10000 ]
        cycle_lengths: [ 10000000000000 ] # incredibly large number to prevent corner cases
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        image_size: 32 # unused
        in_channels: 4
        attention_resolutions: [ 4, 2, 1 ]
        legacy: False
)";
constexpr std::string_view kV2 = R"(
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    parameterization: "v"
    linear_start: 0.00085
    conditioning_key: crossattn
    scale_factor: 0.18215
    ckpt_path: ~
)";

ModelConfig parse(std::string_view text) { return parse_model_config("x.yaml", text); }
ModelConfig with_params(const std::string& lines) { return parse("model:\n  params:\n    a: 1\n    " + lines + "\n"); }

TEST(ModelConfig, ReadsThePublishedForm) {
  const ModelConfig v1 = parse(kV1);
  EXPECT_EQ(v1.parameterization, std::nullopt);
  EXPECT_EQ(v1.linear_start, 0.00085);
  EXPECT_EQ(v1.linear_end, 0.0120);
  EXPECT_EQ(v1.timesteps, 1000);
  EXPECT_EQ(v1.scale_factor, 0.18215);
  EXPECT_EQ(v1.conditioning_key, "crossattn");
  EXPECT_EQ(v1.latent_size, 64);
  EXPECT_EQ(v1.unet_in_channels, 4);
  EXPECT_EQ(parse(kV2).parameterization, Parameterization::v);
  EXPECT_EQ(with_params("parameterization: eps").parameterization, Parameterization::eps);
}

struct Case {
  std::string name;
  std::string text;
  std::string message;
};
void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

std::string params(const std::string& line) { return "model:\n  params:\n    a: 1\n    " + line + "\n"; }

std::vector<Case> malformed() {
  std::string bomb = "a: &a [x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) bomb += fmt::format("{0}: &{0} [*{1}, *{1}]\n", c, static_cast<char>(c - 1));
  return {
      {"Empty", "", "x.yaml: has no model.params"},
      {"Text", "hello", "has no model.params"},
      {"OtherYaml", "services:\n  web: 1\n", "expected a model's YAML file such as v1-inference.yaml"},
      {"NotYaml", "model: [", "x.yaml: line 1: "},
      {"Tabs", "model:\n\tparams: 1\n", "x.yaml: line 2: "},
      {"Parameterization", params("parameterization: x0"),
       "model.params.parameterization is \"x0\", expected eps or v"},
      {"NumberIsText", params("linear_start: abc"),
       "x.yaml: model.params.linear_start is \"abc\", expected a number from"},
      {"NumberWithTail", params("linear_end: 0.1x"), "model.params.linear_end is \"0.1x\", expected a number"},
      {"NotANumber", params("scale_factor: nan"), "model.params.scale_factor is \"nan\", expected a number"},
      {"Negative", params("linear_start: -0.1"), "model.params.linear_start is \"-0.1\", expected"},
      {"IntegerIsFraction", params("timesteps: 10.5"), "model.params.timesteps is \"10.5\", expected an integer"},
      {"IntegerTooLarge", params("timesteps: 99999999999999999999"), "expected an integer from 1 to 100000"},
      {"Twice", params("timesteps: 1000\n    timesteps: 10"), "has a second value for \"model.params.timesteps\""},
      {"AliasBomb", bomb, "x.yaml: line 2 uses an alias (*name), which no model configuration needs"},
      {"Deep", std::string(100, '[') + std::string(100, ']'), "nests deeper than 32 levels"},
      {"VeryDeep", std::string(60'000, '['), "x.yaml: line 1"},
      {"DeepMaps", std::string(60'000, '{'), "x.yaml: line 1"},
      {"Large", std::string(70'000, 'a'), "has 70000 bytes, expected at most 65536"},
      {"ControlCharacters", params("parameterization: \"\\e[31m\""), "is \"?[31m\", expected eps or v"},
  };
}

class MalformedConfig : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedConfig, IsRefusedWithAReason) {
  const std::string message = message_of([] { parse(GetParam().text); }, ErrorCode::bad_config);
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, MalformedConfig, ::testing::ValuesIn(malformed()),
                         [](const auto& info) { return info.param.name; });

TEST(ModelConfig, ReadsFiles) {
  const TemporaryFolder folder;
  write_file_whole(folder / "v2.yaml", kV2);
  EXPECT_EQ(read_model_config(folder / "v2.yaml").parameterization, Parameterization::v);
  EXPECT_THAT(message_of([&] { read_model_config(folder / "no.yaml"); }, ErrorCode::not_found), HasSubstr("no.yaml"));
}

}  // namespace
}  // namespace easel::testing
