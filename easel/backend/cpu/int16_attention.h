// Attention whose products are of 16-bit integers, for --precision int8. 8 bits would round the many small weights of
// a soft attention to nothing; 16 bits cost half of what floats cost and round to about a thousandth.
#pragma once

#include "easel/backend/backend.h"
#include "easel/backend/cpu/attention.h"

namespace easel::cpu {

// True if this processor computes it faster than `attention`: long self-attentions, whose sums cannot overflow.
bool int16_attention_applies(const Tensor& q, const Tensor& k, const AttentionOptions& options);

// As Backend::attention. The result does not depend on the number of threads.
void int16_attention(int threads, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                     Tensor& out);

// What it holds beside q, k, v and the result.
AttentionMemory int16_attention_memory(int threads, const Tensor& q, const Tensor& k, int64_t heads);

}  // namespace easel::cpu
