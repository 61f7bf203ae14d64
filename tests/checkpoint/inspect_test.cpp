#include "easel/checkpoint/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

TEST(Inspect, SumsUpACheckpoint) {
  const CheckpointSummary summary = inspect(*Checkpoint::open(golden_path("models/sd1-tiny.ckpt")));
  EXPECT_EQ(summary.format, "ckpt (zip)");
  EXPECT_EQ(summary.family, Family::sd1);
  EXPECT_EQ(summary.family_text, "SD 1.x");
  EXPECT_EQ(summary.tensor_count, 993);
  EXPECT_EQ(summary.ema_tensor_count, 5);
  ASSERT_EQ(summary.dtypes.size(), 3u);
  EXPECT_EQ(summary.dtypes[0], (std::pair<std::string, int64_t>("F16", 980)));
  int64_t tensors = 0;
  uint64_t bytes = 0;
  for (const ComponentSummary& component : summary.components) {
    tensors += component.tensor_count;
    bytes += component.bytes;
  }
  EXPECT_EQ(tensors, summary.tensor_count);
  EXPECT_EQ(bytes, summary.bytes);
  EXPECT_EQ(summary.components[0].name, "text encoder");
  EXPECT_EQ(summary.components.back().name, "other");  // the schedule's buffers
}

TEST(Inspect, CountsTheFullSizeModel) {
  const CheckpointSummary summary = inspect(*hollow_checkpoint(full_structure("sd1")));
  EXPECT_EQ(summary.tensor_count, 1130);
  EXPECT_EQ(summary.parameter_count / 1'000'000, 1066);
  EXPECT_EQ(summary.components.size(), 3u);
}

TEST(Inspect, SaysWhyAFileIsForeign) {
  const CheckpointSummary summary = inspect(*Checkpoint::open(golden_path("models/vae-bf16.safetensors")));
  EXPECT_FALSE(summary.family.has_value());
  EXPECT_THAT(summary.family_text, HasSubstr("is a VAE alone; easel reads"));
  ASSERT_EQ(summary.components.size(), 2u);
  EXPECT_EQ(summary.components[0].name, "vae");
}

TEST(Inspect, MakesMetadataFitToShow) {
  const auto checkpoint = Checkpoint::from_tensors(
      "x", {f32_tensor("a", {1})}, {{"title", "\x1b[31mred"}, {"long", std::string(10'000, 'x')}, {"bad", "\xFF"}});
  const CheckpointSummary summary = inspect(*checkpoint);
  EXPECT_EQ(summary.metadata.at("title"), "?[31mred");
  EXPECT_EQ(summary.metadata.at("long"), std::string(500, 'x') + "...");
  EXPECT_EQ(summary.metadata.at("bad"), "?");
}

}  // namespace
}  // namespace easel::testing
