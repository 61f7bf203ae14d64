#include "easel/prompt/composition.h"

#include <cmath>
#include <limits>

#include "easel/base/error.h"
#include "easel/prompt/numbers.h"
#include "easel/prompt/unicode.h"

namespace easel {
namespace {

constexpr std::string_view kAnd = "AND";

// The text up to its last `: number`, white space at the end left out.
Subprompt parse_subprompt(std::string_view text) {
  text = text.substr(0, skip_spaces_back(text, text.size()));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {std::string(text), 1.0};
  const size_t number = skip_spaces(text, colon + 1);
  const std::string_view digits = text.substr(number);
  const bool whole = !digits.empty() && number_length(text, number) == digits.size();
  const auto weight = whole ? parse_number(digits) : std::nullopt;
  if (!weight) return {std::string(text), 1.0};
  if (!(std::abs(*weight) <= std::numeric_limits<float>::max())) {
    throw Error(ErrorCode::invalid_request, "the weight of an AND part at the end of \"{}\" is too large",
                replace_invalid_utf8(text.substr(0, 40)));
  }
  return {std::string(text.substr(0, skip_spaces_back(text, colon))), *weight};
}

}  // namespace

std::vector<Subprompt> split_composition(std::string_view prompt) {
  require_utf8(prompt);
  std::vector<Subprompt> parts;
  size_t start = 0;
  for (size_t at = prompt.find(kAnd); at != std::string_view::npos; at = prompt.find(kAnd, at + kAnd.size())) {
    const size_t end = at + kAnd.size();
    const bool word_before = at > 0 && is_word(rune_before(prompt, at).value);
    const bool word_after = end < prompt.size() && is_word(rune_at(prompt, end).value);
    if (word_before || word_after) continue;
    parts.push_back(parse_subprompt(prompt.substr(start, at - start)));
    start = end;
  }
  parts.push_back(parse_subprompt(prompt.substr(start)));
  return parts;
}

}  // namespace easel
