#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "easel/base/error.h"
#include "easel/pipeline/memory.h"
#include "easel/pipeline/pipeline.h"
#include "tests/control/control_files.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMega = 1'000'000;
constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr int kThreads = 2;

class MemoryPlanTest : public ::testing::Test {
 protected:
  MemoryPlan plan(uint64_t bytes) const {
    return plan_memory(model_, job_, {.bytes = bytes, .comfortable_bytes = bytes, .tensor_bytes = kNoLimit}, kThreads);
  }
  uint64_t smallest() const { return smallest_memory(ModelTrial(model_, job_, kThreads)); }

  const Model model_ = Model({.checkpoint = golden_path("models/sd1-tiny.ckpt")});
  const JobSize job_{.width_px = 768, .height_px = 512, .batch = 2, .latents = 2};
};

TEST_F(MemoryPlanTest, TakesWhatMakesItFastestWhereThereIsEnough) {
  const MemoryPlan all = plan(kNoLimit);
  EXPECT_FALSE(all.stages_apart);
  EXPECT_EQ(all.modes, StageModes{});
  EXPECT_EQ(describe(all), "everything stays");
}

TEST_F(MemoryPlanTest, NeverNeedsMoreThanItMayTakeAndNeverLessSpeedForMore) {
  const uint64_t most = plan(kNoLimit).needed_bytes;
  const uint64_t least = smallest();
  ASSERT_LT(least + 100 * kMega, most);
  MemoryPlan before = plan(most);
  for (uint64_t limit = most; limit >= least; limit -= 20 * kMega) {
    const MemoryPlan now = plan(limit);
    EXPECT_LE(now.needed_bytes, limit);
    EXPECT_GE(now.stages_apart, before.stages_apart);
    EXPECT_GE(now.modes.decoder_bands, before.modes.decoder_bands);
    if (before.modes.rows_at_once != 0) {
      EXPECT_NE(now.modes.rows_at_once, 0);
      EXPECT_LE(now.modes.rows_at_once, before.modes.rows_at_once);
    }
    before = now;
  }
}

TEST_F(MemoryPlanTest, TheLeastIsBandsAndOneRowOfTheBatchAtOnce) {
  const MemoryPlan least = plan(smallest());
  EXPECT_TRUE(least.stages_apart);
  EXPECT_EQ(least.modes.decoder_bands, VaeBands::recomputed);
  EXPECT_THAT(describe(least), HasSubstr("one stage at a time"));
  EXPECT_THAT(describe(least), HasSubstr("decoding in bands that are computed twice"));
}

TEST_F(MemoryPlanTest, LowMemoryIsTheFastestWithinItsSizeOrTheLeastThereIs) {
  const auto device = open_device({.threads = kThreads});
  const MemoryAllowance allowance = memory_allowance(kNoLimit, /*low_memory=*/true, *device);
  EXPECT_EQ(allowance.comfortable_bytes, kLowMemoryBytes);
  EXPECT_EQ(memory_allowance(100 * kMega, /*low_memory=*/true, *device).comfortable_bytes, 100 * kMega);
  const MemoryPlan fitting = plan_memory(model_, job_, allowance, kThreads);
  EXPECT_LE(fitting.needed_bytes, kLowMemoryBytes);
  EXPECT_EQ(fitting.modes, plan(kLowMemoryBytes).modes);

  const JobSize large{.width_px = 2048, .height_px = 2048, .batch = 1, .latents = 2};
  const uint64_t least = smallest_memory(ModelTrial(model_, large, kThreads));
  ASSERT_GT(least, kLowMemoryBytes);
  const uint64_t needed = plan_memory(model_, large, allowance, kThreads).needed_bytes;
  EXPECT_GT(needed, kLowMemoryBytes);
  EXPECT_LE(needed, least);
}

TEST_F(MemoryPlanTest, ALimitThatCannotBeMetIsRefusedWithTheSmallestThatCan) {
  const uint64_t least = smallest();
  EXPECT_NO_THROW(plan(least));
  try {
    plan(least - 1);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_THAT(error.what(), HasSubstr("768x512 in batches of 2 with sd1-tiny needs at least "));
    EXPECT_THAT(error.what(), HasSubstr("try a smaller --width and --height or a smaller --batch-size"));
    EXPECT_THAT(error.what(), HasSubstr(fmt::format("a --memory-limit of {} MB", (least + kMega - 1) / kMega)));
  }
}

// Their files' pages count, and so do their weights that stay: each is as large as its file or larger.
TEST_F(MemoryPlanTest, ControlNetsCount) {
  const auto control = control_file(original_name);
  const std::vector<std::shared_ptr<OpenControlNet>> controls(1, OpenControlNet::open(control));
  const uint64_t bytes = controls.front()->file_bytes();
  const auto needed = [&](size_t count, bool least) {
    JobSize job = job_;
    job.width_px = job.height_px = 128;  // so small that the UNet's stage is the largest
    job.controls = std::span(controls).first(count);
    return least ? smallest_memory(ModelTrial(model_, job, kThreads))
                 : plan_memory(model_, job,
                               {.bytes = kNoLimit, .comfortable_bytes = kNoLimit, .tensor_bytes = kNoLimit}, kThreads)
                       .needed_bytes;
  };
  EXPECT_GE(needed(1, false), needed(0, false) + bytes);
  EXPECT_LE(needed(1, false), needed(0, false) + 3 * bytes);
  EXPECT_LT(needed(1, true), needed(1, false));
}

TEST_F(MemoryPlanTest, AllocatedMemoryHasALimitOfItsOwn) {
  const MemoryPlan plan = plan_memory(
      model_, job_, {.bytes = kNoLimit, .comfortable_bytes = kNoLimit, .tensor_bytes = smallest()}, kThreads);
  EXPECT_TRUE(plan.stages_apart);
  EXPECT_THROW(
      plan_memory(model_, job_, {.bytes = kNoLimit, .comfortable_bytes = kNoLimit, .tensor_bytes = kMega}, kThreads),
      Error);
}

TEST_F(MemoryPlanTest, MoreIsTakenThanComfortableBeforeAJobIsRefused) {
  const uint64_t least = smallest();
  const MemoryPlan plan = plan_memory(
      model_, job_, {.bytes = least + kMega, .comfortable_bytes = least / 2, .tensor_bytes = kNoLimit}, kThreads);
  EXPECT_GT(plan.needed_bytes, least / 2);
  EXPECT_LE(plan.needed_bytes, least + kMega);
}

TEST(ResidencyPlan, TheLongestPrefixDecides) {
  ResidencyPlan plan;
  plan.set("unet.", Residency::streamed);
  plan.set("unet.middle.", Residency::packed);
  EXPECT_EQ(plan.of("text.a"), Residency::packed);
  EXPECT_EQ(plan.of("unet.input.1.w"), Residency::streamed);
  EXPECT_EQ(plan.of("unet.middle.w"), Residency::packed);
  ResidencyPlan all(Residency::streamed);
  all.add(plan, "unet.");
  EXPECT_EQ(all.of("text.a"), Residency::streamed);
  EXPECT_EQ(all.of("unet.middle.w"), Residency::packed);
}

// Whatever the plan, the image is the same: rows of a batch are computed each for itself, bands as the whole is.
TEST(MemoryModes, GiveTheSameImages) {
  Request request;
  request.prompt = "a red bird on a branch";
  request.width_px = 256;
  request.height_px = 192;
  request.steps = 2;
  request.seed = 5;
  request.batch_size = 2;
  const PipelineOptions plenty{.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = kThreads};
  const JobSize job{.width_px = 256, .height_px = 192, .batch = 2, .latents = 2};
  PipelineOptions little = plenty;
  little.memory_limit_bytes = smallest_memory(ModelTrial(Model({.checkpoint = plenty.checkpoint}), job, kThreads));
  const Result all = Pipeline(plenty).generate(request);
  const Result least = Pipeline(little).generate(request);
  ASSERT_LT(least.planned_bytes, all.planned_bytes);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(least.images[i].image, all.images[i].image) << i;
}

}  // namespace
}  // namespace easel::testing
