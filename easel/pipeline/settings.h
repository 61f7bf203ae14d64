// The settings that an image was made with, read back from its file: the inverse of parameters.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/image/infotext.h"
#include "easel/pipeline/pipeline.h"

namespace easel {

struct ImageSettings {
  Request request;                         // names and ranges are not checked: a program may replace them first
  std::optional<std::string> model_name;   // of the checkpoint
  std::optional<std::string> model_hash;   // ten hexadecimal digits
  std::vector<std::string> warnings = {};  // settings that easel does not have, and what else cannot be repeated
};

// Reads what easel and AUTOMATIC1111 write; an image of the latter without "RNG" was made with the random numbers of a
// GPU. Throws Error invalid_request, naming the setting, for a number that is none.
// Settings that are not for `task` are left out too, with a warning.
ImageSettings settings_from(const Infotext& text, Task task = Task::txt2img);

// Of an image file (PNG, JPEG, WebP). Throws also Error not_found, io_failure, bad_image, and invalid_request if it
// holds no settings; messages name the file.
ImageSettings load_settings(const std::string& file, Task task = Task::txt2img);

// What to tell if the model in use is not the image's.
std::optional<std::string> model_warning(const ImageSettings& settings, const ModelDescription& in_use);

}  // namespace easel
