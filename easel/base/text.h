// Small helpers for text that people read and type.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

// "1.2 GB", "340 MB", "12 kB": powers of 1000.
std::string format_bytes(uint64_t bytes);

// True if `text` is well-formed UTF-8 (no overlong forms, surrogates or values above U+10FFFF).
bool is_utf8(std::string_view text);

// The candidate with the smallest edit distance, ignoring case, `-` and `_`; nothing if none is similar: nearer than
// half of the name, or up to `farthest`.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> candidates,
                                        std::optional<size_t> farthest = std::nullopt);

// "a, b, c and 12 more": at most `shown` items are spelled out.
std::string join_shortened(std::span<const std::string> items, size_t shown);

// The whole of `text` as a number such as 12, -3 or 0.5, for int64_t, uint64_t and double; nothing if it is none.
template <typename T>
std::optional<T> parse_number(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);
std::string trim(std::string_view text);
std::string lower_ascii(std::string_view text);

}  // namespace easel
