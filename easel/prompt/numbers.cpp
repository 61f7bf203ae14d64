#include "easel/prompt/numbers.h"

#include <charconv>
#include <limits>

#include "easel/prompt/unicode.h"

namespace easel {
namespace {

std::string with_ascii_digits(std::string_view text) {
  std::string ascii;
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = rune_at(text, i);
    if (const auto digit = decimal_digit(step.value)) {
      ascii.push_back(static_cast<char>('0' + *digit));
    } else {
      ascii.append(text.substr(i, step.bytes));
    }
    i += step.bytes;
  }
  return ascii;
}

// What a number is that double cannot hold: tiny if its digits before the point are all 0 and no exponent raises it.
double out_of_range_value(std::string_view digits) {
  const size_t exponent = digits.find_first_of("eE");
  const bool tiny = exponent != std::string_view::npos ? digits.substr(exponent + 1).starts_with('-')
                                                       : digits.find_first_not_of('0') >= digits.find('.');
  return tiny ? 0.0 : std::numeric_limits<double>::infinity();
}

}  // namespace

size_t number_length(std::string_view text, size_t position) {
  size_t i = position;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  const size_t digits = i;
  while (i < text.size()) {
    const Utf8Step step = rune_at(text, i);
    if (step.value != U'.' && !decimal_digit(step.value)) break;
    i += step.bytes;
  }
  return i == digits ? 0 : i - position;
}

std::optional<double> parse_number(std::string_view text) {
  const std::string ascii = with_ascii_digits(text);
  std::string_view digits = ascii;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || !(digits.front() == '.' || (digits.front() >= '0' && digits.front() <= '9')))
    return std::nullopt;
  double value = 0.0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || status == std::errc::invalid_argument) return std::nullopt;
  if (status == std::errc::result_out_of_range) value = out_of_range_value(digits);
  return negative ? -value : value;
}

}  // namespace easel
