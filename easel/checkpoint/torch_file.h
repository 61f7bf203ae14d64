// What torch.save() writes: a pickle that describes tensors, and the storages they are views of.
#pragma once

#include "easel/checkpoint/contents.h"

namespace easel {

// PyTorch 1.6 and later: a zip with `*/data.pkl` and `*/data/N`. Throws Error bad_checkpoint.
Contents read_torch_zip(const Source& source);

// Before that: one stream of five pickles, then the storages. Throws Error bad_checkpoint.
Contents read_torch_legacy(const Source& source);

}  // namespace easel
