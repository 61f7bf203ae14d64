// What --precision bf16 computes by products of bf16 numbers with f32 sums.
#pragma once

#include "easel/backend/backend.h"
#include "easel/backend/cpu/onednn.h"
#include "easel/backend/reduced_products.h"

namespace easel::cpu {

// How products with this weight are computed.
bool uses_bf16(const ReducedProducts& reduced, const Parameter& weight);

// As Backend::linear_geglu, with x and the weight rounded to bf16.
void bf16_linear_geglu(Bf16Products& products, int threads, const Tensor& x, const Parameter& weight,
                       const Parameter& bias, Tensor& out);

// As Backend::conv2d for padding with zeros, with x and the weight rounded to bf16.
void bf16_conv2d(Bf16Products& products, int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                 const Conv2dOptions& options, Tensor& out);

// Floats of memory for the products of bf16_linear_geglu before they are gated.
int64_t bf16_geglu_floats(const Tensor& x, const Parameter& weight);
// Floats that x takes as bf16.
int64_t bf16_floats(const Tensor& x);

}  // namespace easel::cpu
