// Products of bf16 numbers with f32 sums, by oneDNN, for --precision bf16.
#pragma once

#include "easel/backend/backend.h"
#include "easel/backend/cpu/onednn.h"
#include "easel/backend/reduced_products.h"

namespace easel::cpu {

// Whether oneDNN computes them here: with AVX-512, in emulation if need be.
bool bf16_works();
// Whether the processor has instructions for them (AVX512_BF16 or AMX), so that they are faster than f32.
bool bf16_is_fast();
// Whether 3x3 convolutions gain, too: with AMX. Otherwise Winograd's algorithm in f32 is as fast.
bool bf16_beats_winograd();

// How products with this weight are computed.
bool uses_bf16(const ReducedProducts& reduced, const Parameter& weight);

// As Backend::linear_geglu, with x and the weight rounded to bf16.
void bf16_linear_geglu(OneDnn& onednn, int threads, const Tensor& x, const Parameter& weight, const Parameter& bias,
                       Tensor& out);

// Floats of memory for the products of bf16_linear_geglu before they are gated.
int64_t bf16_geglu_floats(const Tensor& x, const Parameter& weight);
// Floats that x takes as bf16.
int64_t bf16_floats(const Tensor& x);

}  // namespace easel::cpu
