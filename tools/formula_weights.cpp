#include "tools/formula_weights.h"

#include <cmath>

#include "easel/tensor/dtype.h"

namespace easel {

uint64_t fnv1a64(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

FormulaWeight::FormulaWeight(std::string_view name, const Shape& shape) : seed_(fnv1a64(name)) {
  const auto contains = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (shape.rank() == 1) {
    const bool is_gain = name.ends_with(".weight");  // of a normalisation
    scale_ = is_gain ? 0.1f : 0.05f;
    offset_ = is_gain ? 1.0f : 0.0f;
  } else if (contains("embedding")) {
    scale_ = contains("position") ? 0.02f : 0.05f;
  } else {
    const auto fan_in = shape.rank() == 0 ? 1.0 : static_cast<double>(Shape(shape.dims().subspan(1)).count());
    scale_ = static_cast<float>(std::sqrt(3.0 / fan_in));  // variance 1 / fan_in
  }
}

float FormulaWeight::value(int64_t index) const {
  uint64_t z = seed_ + (static_cast<uint64_t>(index) + 1) * 0x9E3779B97F4A7C15;  // SplitMix64
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  z = z ^ (z >> 31);
  const float u = static_cast<float>(static_cast<int32_t>(z >> 40)) * 0x1p-23f - 1.0f;  // exact: 24 bits
  return scale_ * u + offset_;
}

void FormulaWeight::fill(int64_t begin, std::span<float> out) const {
  for (size_t i = 0; i < out.size(); ++i) out[i] = value(begin + static_cast<int64_t>(i));
}

void FormulaWeight::fill_f16(int64_t begin, std::span<uint16_t> out) const {
  for (size_t i = 0; i < out.size(); ++i) out[i] = f16_from_f32(value(begin + static_cast<int64_t>(i)));
}

}  // namespace easel
