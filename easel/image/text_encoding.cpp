#include "easel/image/text_encoding.h"

#include <cstddef>

#include "easel/base/text.h"

namespace easel {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

// Takes the first character off `utf8`, which is not empty; an ill-formed byte is kReplacement.
uint32_t take_utf8(std::string_view& utf8) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(utf8[i]); };
  const size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (!is_utf8(utf8.substr(0, length))) {
    utf8.remove_prefix(1);
    return kReplacement;
  }
  uint32_t code = length == 1 ? byte(0) : byte(0) & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3FU);
  utf8.remove_prefix(length);
  return code;
}

bool is_high_surrogate(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low_surrogate(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

}  // namespace

std::string utf8_from_latin1(std::string_view latin1) {
  std::string out;
  out.reserve(latin1.size());
  for (const char c : latin1) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

std::optional<std::string> latin1_from_utf8(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  while (!utf8.empty()) {
    const uint32_t code = take_utf8(utf8);
    if (code > 0xFF) return std::nullopt;
    out.push_back(static_cast<char>(code));
  }
  return out;
}

std::string utf8_from_utf16(std::span<const std::byte> utf16, ByteOrder order) {
  const auto unit = [&](size_t i) {
    const auto first = std::to_integer<uint32_t>(utf16[2 * i]);
    const auto second = std::to_integer<uint32_t>(utf16[2 * i + 1]);
    return order == ByteOrder::big ? first << 8 | second : second << 8 | first;
  };
  const size_t count = utf16.size() / 2;
  size_t i = 0;
  if (count > 0 && (unit(0) == 0xFEFF || unit(0) == 0xFFFE)) {
    if (unit(0) == 0xFFFE) order = order == ByteOrder::big ? ByteOrder::little : ByteOrder::big;
    i = 1;
  }
  std::string out;
  for (; i < count; ++i) {
    uint32_t code = unit(i);
    if (is_high_surrogate(code) && i + 1 < count && is_low_surrogate(unit(i + 1))) {
      code = 0x10000 + ((code - 0xD800) << 10) + (unit(++i) - 0xDC00);
    } else if (is_high_surrogate(code) || is_low_surrogate(code)) {
      code = kReplacement;
    }
    append_utf8(out, code);
  }
  return out;
}

std::string utf16_from_utf8(std::string_view utf8, ByteOrder order) {
  std::string out;
  const auto put = [&](uint32_t unit) {
    const char high = static_cast<char>(unit >> 8 & 0xFF);
    const char low = static_cast<char>(unit & 0xFF);
    out.push_back(order == ByteOrder::big ? high : low);
    out.push_back(order == ByteOrder::big ? low : high);
  };
  while (!utf8.empty()) {
    const uint32_t code = take_utf8(utf8);
    if (code < 0x10000) {
      put(code);
    } else {
      put(0xD800 + ((code - 0x10000) >> 10));
      put(0xDC00 + ((code - 0x10000) & 0x3FF));
    }
  }
  return out;
}

std::u32string utf32_from_utf8(std::string_view utf8) {
  std::u32string out;
  while (!utf8.empty()) out.push_back(take_utf8(utf8));
  return out;
}

std::string utf8_from_utf32(std::u32string_view utf32) {
  std::string out;
  for (const char32_t code : utf32) append_utf8(out, code);
  return out;
}

std::string repaired_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) append_utf8(out, take_utf8(text));
  return out;
}

}  // namespace easel
