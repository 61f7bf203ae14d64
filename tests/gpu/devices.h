// The two devices that are compared: a card and the processor.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/ops/ops.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {

// cuda:0, computing in this type; nullptr with the reason in `reason` if it cannot be used.
inline std::shared_ptr<const Device> card_in(DType type, std::string& reason) {
  try {
    return open_device({.name = "cuda:0", .activation_type = type});
  } catch (const Error& error) {
    reason = error.what();
    return nullptr;
  }
}

// Operations on numbers that both devices have exactly, whatever the card computes in.
class BothDevices : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    std::string reason;
    card_ = card_in(GetParam(), reason);
    if (!card_) GTEST_SKIP() << "no card: " << reason;
    processor_ = open_device({.threads = 2});
  }

  std::vector<float> numbers(int64_t count, uint32_t seed, float scale = 1.0f) const {
    std::mt19937 generator(seed);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = scale * (static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f);
    std::vector<std::byte> bytes(values.size() * static_cast<size_t>(size_of(GetParam())));
    convert_from_f32(GetParam(), values, bytes);
    convert_to_f32(GetParam(), bytes, values);
    return values;
  }

  struct Pair {
    Tensor processor;
    Tensor card;
  };
  Pair tensor(const Shape& shape, uint32_t seed, float scale = 1.0f) const {
    const std::vector<float> values = numbers(shape.count(), seed, scale);
    return {Tensor::from(*processor_, shape, std::span<const float>(values)),
            Tensor::from(*card_, shape, std::span<const float>(values))};
  }
  // With rows of length 1 or so.
  Parameter parameter(const Shape& shape, uint32_t seed) const {
    const double row = shape.rank() > 1 ? static_cast<double>(shape.count()) / static_cast<double>(shape[0]) : 1.0;
    const auto values = std::make_shared<const std::vector<float>>(
        numbers(shape.count(), seed, static_cast<float>(std::sqrt(3.0 / row))));
    return Parameter({.name = "random",
                      .shape = shape,
                      .dtype = DType::f32,
                      .bytes = std::as_bytes(std::span(*values)),
                      .owner = values});
  }

  // Sums of so many products in f32, in another order; the result and at most `roundings` - 1 numbers before it rounded
  // to the type of the activations.
  double allowed(int64_t reduction_length, int64_t roundings = 1) const {
    return tolerance(DType::f32, reduction_length) +
           (GetParam() == DType::f32 ? 0.0 : tolerance(GetParam(), roundings));
  }
  void expect_same(const Tensor& card, const Tensor& processor, double allowed) const {
    EXPECT_EQ(card.device().kind(), DeviceKind::cuda);
    EXPECT_TENSOR_NEAR(card, processor, allowed);
  }

  std::shared_ptr<const Device> card_;
  std::shared_ptr<const Device> processor_;
};

}  // namespace easel::testing
