// Single-threaded vector kernels (Highway, instruction set chosen at run time). The backend splits work over threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "easel/backend/backend.h"

namespace easel::cpu {

// out[i] = activation(x[i]); may be in place.
void activate(const float* x, Activation activation, float* out, size_t count);

// out[i] = sum of factors[j] * terms[j][i] + constant.
void combine(std::span<const Term> terms, float constant, float* out, size_t begin, size_t end);

void multiply(const float* a, const float* b, float* out, size_t count);
void clamp(const float* x, float low, float high, float* out, size_t count);

// rows of [a, g], each of `width` floats -> rows of a * gelu(g)
void geglu(const float* both, float* out, size_t rows, size_t width);

// x [rows, channels] += bias [channels]
void add_row(const float* bias, float* x, size_t rows, size_t channels);
// out [count] = activation(x) + residual; may be in place.
void activate_add(const float* x, Activation activation, const float* residual, float* out, size_t count);

// Sums over pixels of (x - pivot) and (x - pivot)^2 per channel. x [pixels, channels]; sum, square_sum [channels]
void channel_sums(const float* x, const float* pivot, size_t pixels, size_t channels, float* sum, float* square_sum);
// out = activation(x * scale + shift), scale and shift per channel. x [pixels, channels]
void scale_shift(const float* x, const float* scale, const float* shift, Activation activation, size_t pixels,
                 size_t channels, float* out);

// Layer normalisation of rows [rows, width].
void layer_norm_rows(const float* x, const float* weight, const float* bias, float epsilon, size_t rows, size_t width,
                     float* out);

}  // namespace easel::cpu
