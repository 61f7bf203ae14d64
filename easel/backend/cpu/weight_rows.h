// A weight read where it lies in the checkpoint: rows of f16, bf16, f32 or quantised blocks that kernels convert panel
// by panel, so that no packed copy is kept and loading costs nothing.
#pragma once

#include <cstddef>
#include <optional>

#include "easel/backend/cpu/plain_weight.h"

namespace easel::cpu {

// What row readers there are (pack-inl.h).
using WeightType = DType;

// Row i begins at bytes + i * bytes_of(type, row_elements).
struct WeightRows {
  const std::byte* bytes;
  WeightType type;
  size_t row_elements;
};

inline bool is_read_by_rows(DType dtype) {
  return dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f32 || is_quantized(dtype);
}

// The rows of a weight, [shape[0], the rest]. Rare types (F64, ...) are unpacked to f32, which `keep_alive` then holds.
inline WeightRows weight_rows(const Parameter& weight, const Device& device, std::optional<Tensor>& keep_alive) {
  const auto row = static_cast<size_t>(weight.shape().count() / weight.shape()[0]);
  if (is_read_by_rows(weight.dtype())) return {weight.bytes().data(), weight.dtype(), row};
  keep_alive = plain_values(weight, device);
  return {reinterpret_cast<const std::byte*>(keep_alive->data().data()), WeightType::f32, row};
}

}  // namespace easel::cpu
