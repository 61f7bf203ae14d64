// Kernels of weights, as in kernels.h: from what a file holds to what is computed with.
#pragma once

#include "easel/backend/cuda/kernels/kernels.h"

namespace easel::cuda {

// Whether `unpack` reads weights of this type: f32, f16, bf16 and the types in blocks of 32 (q8_0, q4_0, q4_1, q5_0,
// q5_1).
bool can_unpack(DType type);

// out [count] = packed [count] of `packed_type`; whole blocks. `packed` may have any alignment.
void unpack(const void* packed, DType packed_type, int64_t count, Target out, Stream stream);

// [o, i, kh, kw] -> [o, kh, kw, i_out] with zeros for channels from i on (i_out >= i), the order of a channels-last
// convolution. Types as `unpack`.
struct ConvWeightShape {
  int64_t o, i, kh, kw;
};
void unpack_conv_weight(const void* packed, DType packed_type, const ConvWeightShape& shape, int64_t i_out, Target out,
                        Stream stream);

// Adds the number of elements that are infinite or NaN to *counter (which the caller clears).
void count_non_finite(Source x, int64_t count, unsigned long long* counter, Stream stream);

}  // namespace easel::cuda
