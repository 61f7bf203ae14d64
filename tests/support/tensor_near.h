// Comparing tensors with numbers that somebody else computed.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string_view>

#include "easel/tensor/dtype.h"
#include "easel/tensor/tensor.h"

namespace easel::testing {

// The largest difference that rounding explains, relative to the largest expected magnitude: sums of `reduction_length`
// products in another order differ by about eps * sqrt(n); 4 standard deviations are allowed.
double tolerance(DType dtype, int64_t reduction_length);

// Succeeds if every |actual - expected| <= tolerance * max(|expected|). Names the worst element otherwise.
::testing::AssertionResult near(std::span<const float> actual, std::span<const float> expected, double tolerance);
::testing::AssertionResult near(const Tensor& actual, const Tensor& expected, double tolerance);

}  // namespace easel::testing

#define EXPECT_TENSOR_NEAR(actual, expected, tolerance) EXPECT_TRUE(::easel::testing::near(actual, expected, tolerance))
