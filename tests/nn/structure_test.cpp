#include "easel/nn/structure.h"

#include <gmock/gmock.h>

#include "easel/base/error.h"
#include "easel/nn/linear.h"
#include "tests/support/device.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

WeightData weight(const std::string& name, const Shape& shape, const std::vector<float>& values) {
  auto owner = std::make_shared<std::vector<float>>(values);
  return {.name = name,
          .shape = shape,
          .dtype = DType::f32,
          .bytes = std::as_bytes(std::span<const float>(*owner)),
          .owner = owner};
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
    return error.what();
  }
  return "no error";
}

Weights two_blocks() {
  return Weights({weight("net.0.weight", {2, 3}, std::vector<float>(6)), weight("net.1.weight", {3}, {1, 2, 3}),
                  weight("net.0.conv", {2, 3, 1, 1}, std::vector<float>(6)),
                  weight("net.3.weight", {0, 3}, std::vector<float>{})});
}

TEST(Structure, CountsConsecutiveBlocks) { EXPECT_EQ(count_blocks(two_blocks(), "net"), 2); }

TEST(Structure, ReadsSizesAndTakesA1x1ConvolutionForALinearLayer) {
  EXPECT_EQ(read_size(two_blocks(), "net.0.weight", 2, 1), 3);
  EXPECT_EQ(read_size(two_blocks(), "net.0.conv", 2, 0), 2);
}

TEST(Structure, NamesTheTensorThatDoesNotFit) {
  const Weights net = two_blocks() / "net";
  EXPECT_THAT(message_of([&] { read_size(net, "1.weight", 2, 0); }), HasSubstr("net.1.weight is [3], expected 2 dim"));
  EXPECT_THAT(message_of([&] { read_size(net, "3.weight", 2, 0); }), HasSubstr("net.3.weight is [0, 3], expected si"));
  EXPECT_THAT(message_of([&] { read_size(net, "0.weight", 2, 1, 2); }), HasSubstr("sizes from 1 to 2"));
  EXPECT_THAT(message_of([&] { read_size(net, "2.weight", 2, 0); }), HasSubstr("net.2.weight is missing"));
  EXPECT_THAT(message_of([&] { require_multiple(net, "channels", 40, 32); }), HasSubstr("net: 40 channels, expected"));
}

TEST(Linear, OutputsAreRowsOfTheWeight) {
  const Weights weights({weight("weight", {3, 2}, {1, 2, 3, 4, 5, 6}), weight("bias", {3}, {10, 20, 30})});
  const Linear last_two = Linear(weights, 2, 3).outputs(1, 3);
  const std::vector<float> x = {1, -1};
  const std::vector<float> expected = {20 + 3 - 4, 30 + 5 - 6};
  EXPECT_TENSOR_NEAR(last_two(Tensor::from(cpu_device(), {1, 2}, std::span<const float>(x))),
                     Tensor::from(cpu_device(), {1, 2}, std::span<const float>(expected)), tolerance(DType::f32, 2));
}

TEST(Linear, OutputsOfAMissingWeightWaitForRequireComplete) {
  const Weights weights{std::vector<WeightData>()};
  EXPECT_NO_FATAL_FAILURE(Linear(weights, 2, 3).outputs(1, 3));
  EXPECT_THAT(message_of([&] { weights.require_complete(); }), HasSubstr("missing: weight, bias"));
}

}  // namespace
}  // namespace easel::testing
