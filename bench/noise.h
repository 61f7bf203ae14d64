// Numbers that look like noise, the same in every run.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "easel/tensor/tensor.h"

namespace easel::bench {

inline Tensor noise(const Device& device, const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.count()));
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = (static_cast<float>(state >> 8) * 0x1p-23f - 1.0f) * 1.7f;
  }
  return Tensor::from(device, shape, std::span<const float>(values));
}

}  // namespace easel::bench
