// The safetensors format: a length, a JSON header, then the tensors' bytes without gaps.
#pragma once

#include "easel/checkpoint/contents.h"

namespace easel {

inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

// Strict: no duplicate or unknown keys, no holes, no overlap, every byte covered, sizes checked for overflow.
// Throws Error bad_checkpoint.
Contents read_safetensors(const Source& source);

}  // namespace easel
