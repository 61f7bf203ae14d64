// What `easel info` tells about a checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/family.h"

namespace easel {

struct ComponentSummary {
  std::string name;  // "unet", "vae", "text encoder", "depth", "other"
  int64_t tensor_count = 0;
  int64_t parameter_count = 0;
  uint64_t bytes = 0;
};

struct CheckpointSummary {
  std::string file;
  std::string format;  // "safetensors"
  uint64_t file_bytes = 0;
  std::optional<Family> family = {};
  std::string family_text = {};  // "SD 1.x", or why it is none of easel's families
  std::string adapter = {};      // "LoRA", ... of files that change a checkpoint; family_text tells more
  int64_t tensor_count = 0;
  int64_t parameter_count = 0;
  uint64_t bytes = 0;                                        // of the tensors
  int64_t ema_tensor_count = 0;                              // left out
  std::vector<std::pair<std::string, int64_t>> dtypes = {};  // tensors per element type, the most frequent first
  std::vector<ComponentSummary> components = {};             // those that are there
  std::map<std::string, std::string> metadata = {};          // without control characters, long values shortened
};

CheckpointSummary inspect(const Checkpoint& checkpoint);

}  // namespace easel
