#include "tests/support/eight_bits.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace easel::testing {
namespace {

constexpr int kFractionBits = 3;
constexpr int kBias = 7;
constexpr double kLargestE4m3 = 448.0;

float largest_code(ReducedNumbers numbers) { return numbers == ReducedNumbers::int8 ? 127.0f : 448.0f; }

}  // namespace

double e4m3_value(uint8_t code) {
  const int exponent = code >> kFractionBits & 15;
  const int fraction = code & 7;
  if (exponent == 15 && fraction == 7) return std::numeric_limits<double>::quiet_NaN();
  const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - kBias - kFractionBits)
                                         : std::ldexp(8 + fraction, exponent - kBias - kFractionBits);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

double e4m3_rounded(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);  // |x| in [2^(exponent - 1), 2^exponent)
  const double step = std::ldexp(1.0, std::max(exponent - 1, 1 - kBias) - kFractionBits);
  return std::clamp(std::nearbyint(x / step) * step, -kLargestE4m3, kLargestE4m3);
}

float scale_of_row(std::span<const float> row, ReducedNumbers numbers) {
  float largest = 0.0f;
  for (const float value : row) {
    if (!std::isfinite(value)) return std::numeric_limits<float>::quiet_NaN();
    largest = std::max(largest, std::abs(value));
  }
  const float most = largest_code(numbers);
  return largest <= most * std::numeric_limits<float>::min() ? 0.0f : largest / most;
}

std::vector<float> rounded_rows(std::span<const float> x, int64_t width, ReducedNumbers numbers) {
  const auto size = static_cast<size_t>(width);
  const float most = largest_code(numbers);
  std::vector<float> out;
  out.reserve(x.size());
  for (size_t begin = 0; begin < x.size(); begin += size) {
    const std::span<const float> row = x.subspan(begin, size);
    const float scale = scale_of_row(row, numbers);
    float largest = 0.0f;
    for (const float value : row) largest = std::max(largest, std::abs(value));
    for (const float value : row) {
      if (scale == 0.0f || std::isnan(scale)) {
        out.push_back(scale);
        continue;
      }
      const float scaled = value * (most / largest);
      const double code = numbers == ReducedNumbers::int8
                              ? std::clamp(std::nearbyint(static_cast<double>(scaled)), -127.0, 127.0)
                              : e4m3_rounded(static_cast<double>(scaled));
      out.push_back(static_cast<float>(code) * scale);
    }
  }
  return out;
}

Parameter rounded_weight(const Parameter& weight, ReducedNumbers numbers) {
  const std::vector<float> values = weight.values();
  const auto rounded = std::make_shared<const std::vector<float>>(
      rounded_rows(values, weight.shape().count() / weight.shape()[0], numbers));
  return Parameter({.name = weight.name(),
                    .shape = weight.shape(),
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*rounded)),
                    .owner = rounded});
}

}  // namespace easel::testing
