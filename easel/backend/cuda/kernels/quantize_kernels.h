// Kernels of products of 8-bit numbers, as in kernels.h: rounding to such numbers before, scaling behind them.
#pragma once

#include "easel/backend/cuda/kernels/kernels.h"

namespace easel::cuda {

enum class EightBits {
  int8,  // -127 .. 127; products are summed as i32
  e4m3,  // a sign, 4 bits of exponent, 3 of fraction: up to 448, no infinity (Micikevicius et al. 2022); sums are f32
};

// Every row with a scale of its own, x ~ scale * code: its largest magnitude becomes the largest code, all others are
// rounded to nearest even. codes [rows, width], a byte each; scales [rows]. The scale is 0, with codes of 0, for a row
// of zeros (or of numbers so small that they could not be scaled); it is NaN for a row with a number that is not
// finite: so is what is computed with it.
void quantize_rows(Source x, int64_t rows, int64_t width, EightBits numbers, void* codes, float* scales, Stream stream);

// The same of a weight as a file holds it, of a type of unpack() in weight_kernels.h, whole blocks a row.
void quantize_weight(const void* packed, DType packed_type, int64_t rows, int64_t width, EightBits numbers, void* codes,
                     float* scales, Stream stream);

// What a product of codes is multiplied with: [rows] of the one operand, [c] of the other.
struct ProductScales {
  const float* rows;
  const float* columns;
};
// What comes behind it; a null pointer adds nothing.
struct ProductEnd {
  Source bias = {};  // [c]
  Activation activation = Activation::none;
  Source residual = {};  // [rows, c], added after the activation
};
// out = activation(sums * scales + bias) + residual. sums [rows, c] as `numbers` has them; all others of any type.
void scale_sums(const void* sums, EightBits numbers, int64_t rows, int64_t c, const ProductScales& scales,
                const ProductEnd& end, Target out, Stream stream);

// sums [rows, 2 * width], each row [a, gate] -> out [rows, width] = a * gelu(gate), both scaled and with their bias
// [2 * width] first.
void scale_sums_geglu(const void* sums, EightBits numbers, int64_t rows, int64_t width, const ProductScales& scales,
                      Source bias, Target out, Stream stream);

}  // namespace easel::cuda
