// A weight read where it lies in the checkpoint: rows of f16, bf16 or f32 that kernels convert panel by panel, so that
// no packed copy is kept and loading costs nothing.
#pragma once

#include <cstddef>
#include <optional>

#include "easel/backend/cpu/plain_weight.h"

namespace easel::cpu {

enum class WeightType { f16, bf16, f32 };

// Row i begins at bytes + i * row_elements * (2 or 4).
struct WeightRows {
  const std::byte* bytes;
  WeightType type;
  size_t row_elements;
};

// The rows of a weight, [shape[0], the rest]. Rare types (F64, ...) are unpacked to f32, which `keep_alive` then holds.
inline WeightRows weight_rows(const Parameter& weight, const Device& device, std::optional<Tensor>& keep_alive) {
  const auto row = static_cast<size_t>(weight.shape().count() / weight.shape()[0]);
  switch (weight.dtype()) {
    case DType::f16: return {weight.bytes().data(), WeightType::f16, row};
    case DType::bf16: return {weight.bytes().data(), WeightType::bf16, row};
    case DType::f32: return {weight.bytes().data(), WeightType::f32, row};
    default: break;
  }
  keep_alive = plain_values(weight, device);
  return {reinterpret_cast<const std::byte*>(keep_alive->data().data()), WeightType::f32, row};
}

}  // namespace easel::cpu
