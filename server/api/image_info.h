// What an uploaded image contains.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "easel/image/image.h"

namespace easel::server {

struct ImageInfo {
  std::string format;  // "PNG"
  Size size;
  std::optional<std::string> parameters;  // the text that generated it
};

// Throws Error bad_image.
ImageInfo inspect_image(std::span<const std::byte> bytes);

// {"format", "width", "height", "parameters", "settings": {"prompt", "negative_prompt", "fields": {...}}}
std::string image_info_json(const ImageInfo& info);

}  // namespace easel::server
