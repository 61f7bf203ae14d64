// Plans of memory for a card, made without one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "easel/base/error.h"
#include "easel/pipeline/memory.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

class CardPlan : public ::testing::Test {
 protected:
  static PlanTarget card(DType type) {
    PlanTarget target;
    target.kind = DeviceKind::cuda;
    target.activation_type = type;
    return target;
  }
  MemoryPlan plan(const PlanTarget& target, uint64_t bytes) const {
    return plan_memory(model_, job_, {.bytes = bytes, .comfortable_bytes = bytes, .tensor_bytes = bytes}, target);
  }

  Model model_{{.checkpoint = golden_path("models/sd1-tiny.ckpt")}};
  JobSize job_{.width_px = 512, .height_px = 512, .batch = 2, .latents = 2};
};

TEST_F(CardPlan, HalfPrecisionTakesLess) {
  const MemoryPlan half = plan(card(DType::f16), kNoLimit);
  EXPECT_FALSE(half.stages_apart);
  EXPECT_LT(half.needed_bytes, plan(card(DType::f32), kNoLimit).needed_bytes);
  EXPECT_LT(plan(card(DType::bf16), kNoLimit).needed_bytes, half.needed_bytes);  // whose VAE computes in f32
}

TEST_F(CardPlan, StagesGiveWayToEachOtherAndWhatCannotBeDoneIsRefused) {
  const PlanTarget target = card(DType::f16);
  const uint64_t least = smallest_memory(ModelTrial(model_, job_, target));
  const MemoryPlan tight = plan(target, least);
  EXPECT_TRUE(tight.stages_apart);
  EXPECT_LE(tight.needed_bytes, least);
  try {
    plan(target, least - 1'000'000);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_THAT(error.what(), HasSubstr("of the card's memory"));
  }
}

}  // namespace
}  // namespace easel::testing
