// Base64 (RFC 4648), as bytes travel in JSON and in HTTP headers.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

std::string to_base64(std::span<const std::byte> bytes);

// White space between the letters and missing padding are forgiven; nothing for anything else that is not base64.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace easel
