// Numbers for tests whose values do not matter.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace easel::testing {

// Of mean 0 and standard deviation `scale`; the same for the same seed.
inline std::vector<float> random_values(int64_t count, float scale, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

}  // namespace easel::testing
