// Bytes and image files as responses.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "server/http/message.h"

namespace easel::server {

HttpResponse bytes_response(std::string content_type, std::span<const std::byte> bytes);
// A PNG file that never changes. Throws Error not_found if someone deleted it.
HttpResponse image_file_response(const std::filesystem::path& file);

std::string read_base64(const std::filesystem::path& file);

}  // namespace easel::server
