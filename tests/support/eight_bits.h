// Numbers of 8 bits as cards compute with them, by their definition: what kernels are compared with, and what the test
// card rounds to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "easel/backend/reduced_products.h"
#include "easel/tensor/parameter.h"

namespace easel::testing {

// The number that a code of E4M3 stands for; NaN of 0x7F and 0xFF (Micikevicius et al. 2022, table 1).
double e4m3_value(uint8_t code);
// The nearest number of E4M3, of two equally near ones that whose code is even; at most 448.
double e4m3_rounded(double x);

// What a row's numbers are divided by to be rounded, as the kernels compute it: f32; 0 or NaN where a row has no scale.
float scale_of_row(std::span<const float> row, ReducedNumbers numbers);
// Rows of `width` numbers as codes hold them: multiples of the row's scale. numbers: int8 or fp8.
std::vector<float> rounded_rows(std::span<const float> x, int64_t width, ReducedNumbers numbers);
// A weight [d_out, ...] whose output channels are such rows.
Parameter rounded_weight(const Parameter& weight, ReducedNumbers numbers);

}  // namespace easel::testing
