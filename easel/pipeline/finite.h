// Looks for NaN and infinity, the sign of damaged weights. Private to easel/pipeline.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "easel/backend/backend.h"
#include "easel/tensor/tensor.h"

namespace easel {

inline bool is_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}
inline bool is_finite(const Tensor& x) { return is_finite(x.values()); }

// What may be the cause beside the model: "; cuda:0 computes in F16, ..." or nothing.
inline std::string precision_hint(const Device& device) {
  if (device.backend().activation_type() != DType::f16) return {};
  return fmt::format("; {} computes in F16, which this model may outgrow: try --precision bf16 or full", device.name());
}

}  // namespace easel
