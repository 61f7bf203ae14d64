// Weights from a formula: a full-size checkpoint with the real structure, the same bytes on every machine, and no
// download. The values keep activations in the range of a trained network's.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "easel/tensor/shape.h"

namespace easel {

// A start value per name: 64-bit FNV-1a.
uint64_t fnv1a64(std::string_view text);

// Value of element `index` (row-major, from 0) of a tensor is scale * u + offset, u uniform in [-1, 1).
class FormulaWeight {
 public:
  FormulaWeight(std::string_view name, const Shape& shape);

  // Elements [begin, begin + out.size()).
  void fill(int64_t begin, std::span<float> out) const;
  void fill_f16(int64_t begin, std::span<uint16_t> out) const;

 private:
  float value(int64_t index) const;

  uint64_t seed_;
  float scale_ = 1.0f;
  float offset_ = 0.0f;
};

}  // namespace easel
