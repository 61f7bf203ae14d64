// Matrix products of 8-bit integers with a weight that is quantised once, for --precision int8.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::linear and Backend::linear_geglu, with rounding errors of about a hundredth. The result does not depend
// on the number of threads, nor on the processor but for the rounding of f32 sums.
void int8_linear(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                 const LinearOptions& options, Tensor& out);
void int8_linear_geglu(int threads, const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out);

}  // namespace easel::cpu
