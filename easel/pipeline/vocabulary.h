// The words a small model was trained on. Private to easel/pipeline.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

// A hint for a prompt with words that are not in the checkpoint's metadata `easel.vocabulary` (separated by commas);
// nothing if it has none or knows them all.
std::optional<std::string> vocabulary_hint(const Checkpoint& checkpoint, std::string_view prompt);

}  // namespace easel
