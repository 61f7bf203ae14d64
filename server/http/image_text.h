// Images as they travel in JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "easel/image/image.h"

namespace easel::server {

// Base64 with or without "data:image/png;base64," before it. Throws FieldError for anything else; URLs are not fetched.
std::vector<std::byte> image_bytes_from_text(const std::string& field, const std::string& text);

std::string base64_image(const Image& image);  // PNG

}  // namespace easel::server
