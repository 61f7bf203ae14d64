// What a model file can be used for, found out from the names and shapes of its tensors.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "easel/pipeline/task.h"
#include "easel/pipeline/upscaler.h"

namespace easel {

std::string_view name_of(Task task);  // "txt2img"

struct ModelUse {
  std::vector<Task> tasks = {};  // that it draws; none: it is something else
  std::optional<UpscalerDescription> upscaler = {};
  bool is_vae = false;                       // a VAE alone
  std::optional<int64_t> prompt_width = {};  // numbers of a token's vector, of what draws
};

// Reads the file's structure, not its weights. A file that cannot be read has no use; opening it tells why.
ModelUse use_of(const std::filesystem::path& file);

}  // namespace easel
