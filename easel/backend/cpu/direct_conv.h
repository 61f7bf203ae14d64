// Convolutions by their definition: products of the weight with patches of the image, for all those that neither
// Winograd's algorithm nor a plain product computes.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::conv2d, for padding with zeros. The result does not depend on the number of threads, nor a row of it on
// the other rows: what is computed in bands equals the whole bit for bit.
void direct_conv2d(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                   const Conv2dOptions& options, Tensor& out);

// Floats that it holds beside x and the result.
int64_t direct_conv_scratch_floats(int threads, const Tensor& out, const Parameter& weight);

}  // namespace easel::cpu
