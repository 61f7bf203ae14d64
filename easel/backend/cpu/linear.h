// Matrix products with a checkpoint's weight, and what is fused into them.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::linear and Backend::linear_geglu. The result does not depend on the number of threads.
void linear(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
            Tensor& out);
void linear_geglu(int threads, const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out);

}  // namespace easel::cpu
