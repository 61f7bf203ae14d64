// Text as code points that remember where in the prompt they came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

inline constexpr size_t kMaxPromptBytes = size_t{1} << 24;

// A code point and the bytes [begin, end) of the prompt it stands for; cleaning changes the value and keeps the bytes.
struct Rune {
  char32_t value;
  uint32_t begin;
  uint32_t end;
};
using Runes = std::vector<Rune>;

// Throws Error invalid_request, naming the byte offset, if `prompt` is not UTF-8, or if it exceeds kMaxPromptBytes.
Runes decode_utf8(std::string_view prompt);
void require_utf8(std::string_view prompt);
void append_utf8(std::string& text, char32_t value);
// Bytes that belong to no character become U+FFFD.
std::string replace_invalid_utf8(std::string_view bytes);

bool is_letter(char32_t value);  // category L*
bool is_number(char32_t value);  // category N*
bool is_word(char32_t value);    // a letter, a number or `_`: \w of Python's `re`

// The White_Space property: \s of Python's `regex`, which the tokenizer uses.
bool is_white_space(char32_t value);
// White_Space and U+001C..001F: str.strip() and \s of Python's `re`, which the prompt grammar uses.
bool is_python_space(char32_t value);

// The value of a decimal digit of any script.
std::optional<int> decimal_digit(char32_t value);

// Full lower-casing, as str.lower() of Python: with the final-sigma rule, and U+0130 as `i` + U+0307.
Runes lower_case(const Runes& text);

// Moves through UTF-8 known to be well-formed: the code point at `position`, or the one that ends there.
struct Utf8Step {
  char32_t value;
  size_t bytes;
};
Utf8Step rune_at(std::string_view text, size_t position);
Utf8Step rune_before(std::string_view text, size_t position);
// The first position from `position` on that holds no Python white space, and the last one before it.
size_t skip_spaces(std::string_view text, size_t position);
size_t skip_spaces_back(std::string_view text, size_t position);

}  // namespace easel
