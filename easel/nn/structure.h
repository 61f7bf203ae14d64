// Reading a network's sizes off its weights.
#pragma once

#include "easel/checkpoint/weights.h"

namespace easel {

// The largest width, channel or layer count believed: four times what any Stable Diffusion network has.
inline constexpr int64_t kMaxWidth = 1 << 14;

// Size `index` of a tensor of `rank` dimensions ("[o, i] and [o, i, 1, 1]" both count as rank 2).
// Throws Error bad_checkpoint if the tensor is missing, has another rank, or a size out of 1..limit.
int64_t read_size(const Weights& weights, std::string_view name, int rank, int index, int64_t limit = kMaxWidth);

// How many of "PREFIX.0", "PREFIX.1", ... there are.
int64_t count_blocks(const Weights& weights, std::string_view prefix);

// Throws Error bad_checkpoint unless `size` is a multiple of `divisor`; `what` is the unit: "channels".
void require_multiple(const Weights& weights, std::string_view what, int64_t size, int64_t divisor);

}  // namespace easel
