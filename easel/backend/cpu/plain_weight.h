// Weights as plain row-major f32: biases, norm weights, embedding tables.
#pragma once

#include "easel/tensor/parameter.h"
#include "easel/tensor/tensor.h"

namespace easel::cpu {

// PackedWeight layouts of the CPU backend: 0 is plain, those above it are oneDNN's in the order in which they are met,
// and those below kInt8Layout are of 8-bit integers in so many parts.
inline constexpr int kPlainLayout = 0;
inline constexpr int kInt8Layout = 0;

// A fresh f32 copy of the weight, in its own shape.
Tensor unpack(const Parameter& parameter, const Device& device);

// The same, kept by the parameter according to its residency.
Tensor plain_values(const Parameter& parameter, const Device& device);

}  // namespace easel::cpu
