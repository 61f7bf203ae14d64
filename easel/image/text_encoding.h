// Text of image files as UTF-8, and back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace easel {

enum class ByteOrder { little, big };

std::string utf8_from_latin1(std::string_view latin1);
std::optional<std::string> latin1_from_utf8(std::string_view utf8);  // nothing if a character is outside Latin-1

// Lone surrogates become U+FFFD; a byte order mark decides over `order`.
std::string utf8_from_utf16(std::span<const std::byte> utf16, ByteOrder order);
std::string utf16_from_utf8(std::string_view utf8, ByteOrder order);  // bytes, without a byte order mark

// Ill-formed bytes become U+FFFD.
std::u32string utf32_from_utf8(std::string_view utf8);
std::string utf8_from_utf32(std::u32string_view utf32);

// `text` with every ill-formed byte replaced by U+FFFD.
std::string repaired_utf8(std::string_view text);

}  // namespace easel
