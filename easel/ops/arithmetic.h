// Element-wise arithmetic on f32 tensors of equal shape, so that a sampler reads like its paper.
#pragma once

#include <initializer_list>

#include "easel/backend/backend.h"
#include "easel/tensor/tensor.h"

namespace easel {

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& x, float constant);
Tensor operator*(const Tensor& x, float factor);
Tensor operator*(float factor, const Tensor& x);
Tensor operator/(const Tensor& x, float divisor);
Tensor operator-(const Tensor& x);

namespace ops {

// The sum of factor * tensor over all terms in one pass: combine({{0.5f, &a}, {-2.0f, &b}}).
Tensor combine(std::initializer_list<Term> terms, float constant = 0.0f);
Tensor clamp(const Tensor& x, float low, float high);

}  // namespace ops
}  // namespace easel
