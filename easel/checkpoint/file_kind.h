// What a file is, from its first bytes.
#pragma once

#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/contents.h"

namespace easel {

// Throws Error bad_checkpoint that says what the file is instead (empty, a web page, a git-LFS pointer, ONNX, ...)
// and what to do.
CheckpointFormat checkpoint_format(const Source& source);

}  // namespace easel
