// Quantised weights: blocks of 32 or 256 elements that share scales, as GGUF files hold them.
#pragma once

#include <cstddef>
#include <span>

#include "easel/tensor/dtype.h"

namespace easel {

// Whole blocks of a quantised `dtype` -> f32. Vectorised; every instruction set gives the same bits.
void dequantize(DType dtype, std::span<const std::byte> bytes, std::span<float> out);

// q8_0, q4_0, q4_1, q5_0, q5_1: the types that are written. The others are read only.
bool can_quantize(DType dtype);
// Whole blocks of f32 -> `bytes`, rounded as the reference implementation of the type does. Values must be finite.
void quantize(DType dtype, std::span<const float> values, std::span<std::byte> bytes);

}  // namespace easel
