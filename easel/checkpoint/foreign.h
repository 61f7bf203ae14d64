// Model files that easel does not read, told by their keys.
#pragma once

#include <optional>
#include <string_view>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

struct ForeignKind {
  std::string_view kind;  // "a LoRA"
  std::string_view cure;  // what to do, or empty
};

// The first kind that fits. Asked before a checkpoint is taken for one of easel's families: kinds that contain a whole
// SD UNet (a ControlNet checkpoint, SD 2.1 unCLIP) are among them.
std::optional<ForeignKind> find_foreign_kind(const Checkpoint& checkpoint);

}  // namespace easel
