// What `easel info` tells about a LoRA, an embedding or a ControlNet. Private to easel/pipeline.
#pragma once

#include <optional>
#include <string>

#include "easel/checkpoint/checkpoint.h"
#include "easel/pipeline/adapters.h"

namespace easel {

struct AdapterInfo {
  AdapterKind kind;
  std::string text;  // "a LoRA of rank 8 for SD 1.x: 192 layers of the UNet, 72 of the text encoder"
};

// Nothing if the file is none. A kind that easel cannot apply (LoHa, ...) is told as text.
std::optional<AdapterInfo> describe_adapter(const Checkpoint& checkpoint);

}  // namespace easel
