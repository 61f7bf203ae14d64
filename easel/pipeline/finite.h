// Looks for NaN and infinity, the sign of damaged weights. Private to easel/pipeline.
#pragma once

#include <algorithm>
#include <cmath>

#include "easel/tensor/tensor.h"

namespace easel {

inline bool is_finite(const Tensor& x) {
  const std::vector<float> values = x.values();
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace easel
