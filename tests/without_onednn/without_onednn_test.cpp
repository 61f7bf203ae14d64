// A build without oneDNN, in every build: tests/CMakeLists.txt puts without_onednn.cpp before the library's own choice.
#include "easel/backend/devices.h"
#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

const ReducedProducts kBf16{.numbers = ReducedNumbers::bf16, .allows = [](std::string_view) { return true; }};

TEST(WithoutOneDnn, SaysThatThereIsNoBf16) {
  EXPECT_EQ(bf16_unusable_because(), "this program was built without oneDNN");
  EXPECT_FALSE(bf16_is_fast());
}

TEST(WithoutOneDnn, WhatMayBeBf16IsF32) {
  const auto full = open_device({.threads = 2});
  const auto reduced = open_device({.threads = 2, .reduced = kBf16});
  const std::vector<float> values = random_values(2 * 12 * 10 * 48, 1);
  const Parameter weight = random_parameter({64, 48}, 2), bias = random_parameter({64}, 3);
  const Parameter kernel = random_parameter({64, 48, 3, 3}, 4);
  for (const int64_t stride : {1, 2}) {
    const auto results = [&](const Device& device) {
      const Tensor x = Tensor::from(device, {2, 12, 10, 48}, std::span<const float>(values));
      std::vector<std::vector<float>> out;
      out.push_back(ops::linear(x, weight, bias).values());
      out.push_back(ops::linear_geglu(x, weight, bias).values());
      out.push_back(ops::conv2d(x, kernel, bias, {.stride = stride, .padding = {1, 1, 1, 1}}).values());
      return out;
    };
    EXPECT_EQ(results(*reduced), results(*full));
  }
}

TEST(WithoutOneDnn, PlansTakeNoMemoryForBf16) {
  const Parameter weight = random_parameter({640, 320}, 2);
  const auto peak_of = [&](const ReducedProducts& products) {
    const PlanningDevice plan = open_planning_device(2, products);
    ops::linear(Tensor::empty(*plan.device, {64, 320}), weight, std::nullopt);
    return plan.memory.peak_held_bytes();
  };
  EXPECT_EQ(peak_of(kBf16), peak_of({}));
}

TEST(WithoutOneDnn, TheMachineIsMeasuredByLinearLayers) { EXPECT_GT(matmul_gflops(2), 0.0); }

}  // namespace
}  // namespace easel::testing
