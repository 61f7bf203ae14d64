// Numbers in prompts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace easel {

// The bytes of `[+-]?[.\d]+` at `position`, 0 if there is none. \d is a decimal digit of any script.
size_t number_length(std::string_view text, size_t position);

// The number as Python's float() reads it, with the digits of any script; nothing if `text` is none. Too large a number
// is infinite.
std::optional<double> parse_number(std::string_view text);

}  // namespace easel
