// Plans of memory for a card, made without one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "easel/base/error.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/memory.h"
#include "easel/pipeline/reduced_layers.h"
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
  // What the network's weights take.
  int64_t weight_bytes(std::optional<ReducedNumbers> numbers) const {
    const Model model({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .reduced = numbers});
    StageModes streamed;
    streamed.residency = Residency::streamed;
    const auto peak = [&](const StageModes& modes) {
      constexpr std::array kSampling = {MemoryStage::sampling};
      return static_cast<int64_t>(ModelTrial(model, job_, card(DType::f16))(kSampling, modes, 0).tensor_bytes);
    };
    return peak({}) - peak(streamed);
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

TEST_F(CardPlan, WeightsOfEightBitsTakeOneByteEach) {
  int64_t bytes = 0;
  for (const WeightData& tensor : model_.checkpoint().tensors()) {
    const Shape& shape = tensor.shape;
    const bool is_matrix = shape.rank() >= 2 && shape.count() == shape[0] * shape[1];
    if (is_matrix && shape[0] % 16 == 0 && shape[1] % 16 == 0 && tensor.name.starts_with("model.diffusion_model.") &&
        allows_reduced(tensor.name)) {
      bytes += shape.count();
    }
  }
  ASSERT_GT(bytes, 10'000);
  const int64_t half = weight_bytes(std::nullopt);
  for (const ReducedNumbers numbers : {ReducedNumbers::int8, ReducedNumbers::fp8}) {
    const auto saved = static_cast<double>(half - weight_bytes(numbers));
    EXPECT_GT(saved, 0.3 * static_cast<double>(bytes));  // small ones take a page in any case
    EXPECT_LT(saved, 1.1 * static_cast<double>(bytes));
  }
  EXPECT_EQ(weight_bytes(ReducedNumbers::bf16), half);  // a processor's
}

TEST_F(CardPlan, ALargeWeightTakesHalfOfF16) {
  const std::vector<std::byte> bytes(1024 * 2048 * 2);
  const Parameter weight(
      {.name = "weight", .shape = {2048, 1024}, .dtype = DType::f16, .bytes = bytes, .owner = nullptr});
  const auto kept = [&](ReducedNumbers numbers) {
    const PlanningDevice plan =
        open_planning_device(card(DType::f16), {.numbers = numbers, .allows = [](std::string_view) { return true; }});
    ops::linear(Tensor::empty(*plan.device, {16, 1024}, DType::f16), weight, std::nullopt);
    return static_cast<double>(plan.memory.bytes_in_use());
  };
  for (const ReducedNumbers numbers : {ReducedNumbers::int8, ReducedNumbers::fp8}) {
    EXPECT_NEAR(kept(ReducedNumbers::bf16) - kept(numbers), 2048 * 1024, 2048 * 1024 / 4);  // blocks are rounded up
  }
}

TEST_F(CardPlan, SumsOfEightBitProductsAreBounded) {
  const ReducedProducts all{.numbers = ReducedNumbers::int8, .allows = [](std::string_view) { return true; }};
  const std::vector<std::byte> bytes(640 * 320 * 2);
  const Parameter weight(
      {.name = "weight", .shape = {640, 320}, .dtype = DType::f16, .bytes = bytes, .owner = nullptr});
  const auto peak = [&](int64_t rows, const ReducedProducts& reduced) {
    const PlanningDevice plan = open_planning_device(card(DType::f16), reduced);
    const Tensor x = Tensor::empty(*plan.device, {rows, 320}, DType::f16);
    ops::linear(x, weight, std::nullopt);
    return static_cast<double>(plan.memory.peak_block_bytes());
  };
  constexpr int64_t kRows = 1 << 17;
  const double added = peak(kRows, all) - peak(kRows, {});
  const double codes = kRows * (320 + 4);  // a byte for each number of x, a scale for each row
  EXPECT_GT(added, codes);
  EXPECT_LT(added, 1.15 * (codes + (32 << 20)));
  EXPECT_LT(added, kRows * 640 * 4);
}

TEST_F(CardPlan, ABatchStaysTogetherWhereThereIsRoom) {
  JobSize batch = job_;
  batch.batch = 16;
  const auto plan_in = [&](uint64_t bytes) {
    return plan_memory(model_, batch, {.bytes = bytes, .comfortable_bytes = bytes, .tensor_bytes = bytes},
                       card(DType::f16));
  };
  const MemoryPlan roomy = plan_in(kNoLimit);
  EXPECT_FALSE(roomy.stages_apart);
  EXPECT_EQ(roomy.modes.rows_at_once, 0);
  EXPECT_EQ(plan_in(roomy.needed_bytes).modes.rows_at_once, 0);
  EXPECT_GT(plan_in(smallest_memory(ModelTrial(model_, batch, card(DType::f16)))).modes.rows_at_once, 0);
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
