#include "easel/pipeline/model_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ModelUse use_of_golden(const std::string& file) { return use_of(golden_path(file)); }

void expect_no_use(const std::filesystem::path& file) {
  const ModelUse use = use_of(file);
  EXPECT_THAT(use.tasks, IsEmpty()) << file;
  EXPECT_FALSE(use.upscaler) << file;
  EXPECT_FALSE(use.is_vae) << file;
}

TEST(ModelUse, CheckpointsDraw) {
  EXPECT_THAT(use_of_golden("models/sd1-tiny.ckpt").tasks, ElementsAre(Task::txt2img, Task::img2img, Task::inpaint));
  EXPECT_THAT(use_of_golden("models/sd2-tiny.safetensors").tasks,
              ElementsAre(Task::txt2img, Task::img2img, Task::inpaint));
  EXPECT_THAT(use_of_golden("models/sd1-inpaint-tiny.safetensors").tasks, ElementsAre(Task::inpaint));
  EXPECT_THAT(use_of_golden("models/sd2-depth-tiny.safetensors").tasks, ElementsAre(Task::depth2img));
  EXPECT_FALSE(use_of_golden("models/sd1-tiny.ckpt").upscaler);
  EXPECT_FALSE(use_of_golden("models/sd1-tiny.ckpt").is_vae);
}

TEST(ModelUse, UpscalersEnlarge) {
  const ModelUse diffusion = use_of_golden("models/x4-upscaler-tiny.safetensors");
  EXPECT_THAT(diffusion.tasks, IsEmpty());
  ASSERT_TRUE(diffusion.upscaler);
  EXPECT_EQ(diffusion.upscaler->kind, UpscalerKind::diffusion);
  EXPECT_EQ(diffusion.upscaler->scale, 4);
  const ModelUse network = use_of_golden("upscale/real-esrgan-x2.safetensors");
  ASSERT_TRUE(network.upscaler);
  EXPECT_EQ(network.upscaler->kind, UpscalerKind::network);
  EXPECT_EQ(network.upscaler->name, "real-esrgan-x2");
  EXPECT_EQ(network.upscaler->scale, 2);
}

TEST(ModelUse, AVaeAloneIsOne) {
  const ModelUse use = use_of_golden("models/vae-bf16.safetensors");
  EXPECT_TRUE(use.is_vae);
  EXPECT_THAT(use.tasks, IsEmpty());
}

TEST(ModelUse, OtherFilesHaveNone) {
  const TemporaryFolder folder;
  expect_no_use(folder / "missing.safetensors");
  expect_no_use(folder.write("damaged.safetensors", "no model"));
  write_safetensors(folder / "other.safetensors", std::vector{f32_tensor("lora_unet.lora_down.weight", {4, 4})});
  expect_no_use(folder / "other.safetensors");
}

}  // namespace
}  // namespace easel::testing
