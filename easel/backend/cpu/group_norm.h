// Group normalisation with activation (Wu & He 2018).
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::group_norm, weight and bias [c] as plain values. The result does not depend on the number of threads.
void group_norm(int threads, const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t groups, float epsilon,
                Activation activation, Tensor& out);

}  // namespace easel::cpu
