// What is told of the time of operations.
#include "easel/pipeline/profiling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "easel/backend/devices.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/pipeline.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

// A product of [3, 8] and [8, 4], and an activation of the result.
std::shared_ptr<Profile> small_profile() {
  auto profile = std::make_shared<Profile>();
  const auto device = open_device({.threads = 1, .profile = profile});
  const std::vector<float> ones(32, 1.0f);
  const auto bytes = std::as_bytes(std::span(ones));
  const Parameter weight(
      {.name = "w", .shape = {4, 8}, .dtype = DType::f32, .bytes = bytes, .owner = nullptr, .mapping = nullptr});
  ops::silu(ops::linear(Tensor::zeros(*device, {3, 8}), weight, std::nullopt));
  return profile;
}

TEST(Profiling, CountsArithmeticAndBytes) {
  const ProfileReport report = report_of(small_profile(), 1);
  EXPECT_GT(report.matmul_gflops, 0.0);
  ASSERT_EQ(report.families.size(), 2u);
  const bool linear_first = report.families[0].name == "linear";
  const FamilyReport& linear = report.families[linear_first ? 0 : 1];
  const FamilyReport& silu = report.families[linear_first ? 1 : 0];
  EXPECT_EQ(linear.calls, 1);
  EXPECT_EQ(linear.flops, 2.0 * 3 * 8 * 4);
  EXPECT_EQ(linear.bytes, 4.0 * (3 * 8 + 8 * 4 + 3 * 4));
  EXPECT_EQ(silu.name, "elementwise");
  EXPECT_EQ(silu.bytes, 4.0 * 2 * 3 * 4);
  EXPECT_GE(report.families[0].seconds, report.families[1].seconds);
  EXPECT_THAT(to_text(report),
              AllOf(HasSubstr("linear"), HasSubstr("elementwise"), HasSubstr("all "), HasSubstr("limit: ")));
}

TEST(Profiling, ShareOfTheLimitIsTheRateOverTheMachines) {
  const ProfileReport report{.matmul_gflops = 200.0,
                             .families = {{.name = "linear", .calls = 2, .seconds = 0.5, .flops = 5e10, .bytes = 1e9}},
                             .trace = {}};
  const Json family = Json::parse(to_json(report))["families"][0];
  EXPECT_DOUBLE_EQ(family["gflop_per_second"], 100.0);
  EXPECT_DOUBLE_EQ(family["share_of_limit"], 0.5);
  EXPECT_THAT(to_text(report), HasSubstr(" 50%"));
}

TEST(Profiling, TheTraceHoldsEveryOperationInOrder) {
  const Json trace = Json::parse(trace_of(*small_profile()));
  const Json& events = trace["traceEvents"];
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["name"], "linear");
  EXPECT_EQ(events[0]["ph"], "X");
  EXPECT_EQ(events[0]["ts"], 0.0);
  EXPECT_EQ(events[0]["args"]["shape"], "[3, 8] -> [3, 4]");
  EXPECT_GE(events[1]["ts"].get<double>(), events[0]["dur"].get<double>());
}

TEST(Profiling, APipelineTellsOfItsWork) {
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .profile = true});
  Request request{.prompt = "a red bird", .width_px = 64, .height_px = 64, .steps = 1, .seed = 1};
  pipeline.generate(request);
  const ProfileReport report = pipeline.profile();
  double flops = 0.0;
  for (const FamilyReport& family : report.families) flops += family.flops;
  EXPECT_GT(flops, 1e6);
  EXPECT_EQ(Json::parse(report.trace)["traceEvents"].empty(), false);
}

}  // namespace
}  // namespace easel::testing
