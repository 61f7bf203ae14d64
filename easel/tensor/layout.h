// Between PyTorch's order [n, c, h, w], in which noise is drawn and references are recorded, and ours [n, h, w, c].
#pragma once

#include <span>

#include "easel/tensor/tensor.h"

namespace easel {

// values in order [n, c, h, w] -> tensor [n, h, w, c]
Tensor from_nchw(const Device& device, int64_t n, int64_t c, int64_t h, int64_t w, std::span<const float> values);
// x [n, h, w, c] -> values in order [n, c, h, w]
std::vector<float> to_nchw(const Tensor& x);

}  // namespace easel
