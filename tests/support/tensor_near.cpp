#include "tests/support/tensor_near.h"

#include <cmath>
#include <limits>

namespace easel::testing {

double tolerance(DType dtype, int64_t reduction_length) {
  const double epsilon = dtype == DType::f16 ? 0x1p-11 : dtype == DType::bf16 ? 0x1p-8 : 0x1p-24;
  return 4.0 * epsilon * std::sqrt(static_cast<double>(reduction_length));
}

::testing::AssertionResult near(std::span<const float> actual, std::span<const float> expected, double tolerance) {
  if (actual.size() != expected.size()) {
    return ::testing::AssertionFailure() << actual.size() << " elements, expected " << expected.size();
  }
  double magnitude = 0.0;
  for (const float value : expected) magnitude = std::max(magnitude, std::abs(static_cast<double>(value)));
  double worst = -1.0;
  size_t worst_index = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    double difference = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
    if (difference > worst) {
      worst = difference;
      worst_index = i;
    }
  }
  if (worst <= tolerance * magnitude) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "element " << worst_index << " is " << actual[worst_index] << ", expected "
                                       << expected[worst_index] << "; difference " << worst << " > "
                                       << tolerance * magnitude << " (" << tolerance << " of the largest magnitude)";
}

::testing::AssertionResult near(const Tensor& actual, const Tensor& expected, double tolerance) {
  if (actual.shape() != expected.shape()) {
    return ::testing::AssertionFailure() << "shape " << actual.shape().text() << ", expected "
                                         << expected.shape().text();
  }
  return near(std::span<const float>(actual.values()), std::span<const float>(expected.values()), tolerance);
}

}  // namespace easel::testing
