// Matrix products with a checkpoint's weight, and what is fused into them.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::linear and Backend::linear_geglu. The result does not depend on the number of threads.
void linear(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
            Tensor& out);
void linear_geglu(int threads, const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out);

// Floats that they hold beside x and the result [..., d_out].
int64_t linear_scratch_floats(int threads, const Tensor& x, int64_t d_out, bool geglu);

}  // namespace easel::cpu
