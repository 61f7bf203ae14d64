#include "easel/prompt/unicode.h"

#include <utf8proc.h>

#include <algorithm>

#include "easel/base/error.h"

namespace easel {
namespace {

constexpr char32_t kCapitalSigma = 0x03A3;
constexpr char32_t kSmallSigma = 0x03C3;
constexpr char32_t kFinalSigma = 0x03C2;
constexpr char32_t kCapitalDottedI = 0x0130;
constexpr char32_t kCombiningDotAbove = 0x0307;
constexpr char32_t kReplacement = 0xFFFD;

utf8proc_category_t category(char32_t value) {
  return static_cast<utf8proc_category_t>(utf8proc_get_property(static_cast<utf8proc_int32_t>(value))->category);
}

// Cased and Case_Ignorable of the Unicode Standard, section 3.13, as far as the final-sigma rule can tell them apart.
bool is_case_ignorable(char32_t value) {
  static constexpr char32_t kWordPunctuation[] = {0x0027, 0x002E, 0x003A, 0x00B7, 0x0387, 0x055F,
                                                  0x05F4, 0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                                  0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
  switch (category(value)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return std::ranges::binary_search(kWordPunctuation, value);
  }
}

bool is_cased(char32_t value) {
  switch (category(value)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT: return true;
    default: break;
  }
  const auto within = [value](char32_t first, char32_t last) { return value >= first && value <= last; };
  return value == 0x00AA || value == 0x00BA || within(0x2160, 0x217F) || within(0x24B6, 0x24E9) ||
         within(0x1F130, 0x1F149) || within(0x1F150, 0x1F169) || within(0x1F170, 0x1F189);
}

// A sigma is final if a cased character comes before it and none after it, case-ignorable ones skipped.
bool is_final_sigma(const Runes& text, size_t position) {
  size_t before = position;
  while (before > 0 && is_case_ignorable(text[before - 1].value)) --before;
  if (before == 0 || !is_cased(text[before - 1].value)) return false;
  size_t after = position + 1;
  while (after < text.size() && is_case_ignorable(text[after].value)) ++after;
  return after == text.size() || !is_cased(text[after].value);
}

}  // namespace

Runes decode_utf8(std::string_view prompt) {
  if (prompt.size() > kMaxPromptBytes) {
    throw Error(ErrorCode::invalid_request, "the prompt has {} bytes; at most {} are accepted", prompt.size(),
                kMaxPromptBytes);
  }
  Runes runes;
  runes.reserve(prompt.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(prompt.data());
  for (size_t i = 0; i < prompt.size();) {
    utf8proc_int32_t value = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(prompt.size() - i), &value);
    if (length <= 0) {
      throw Error(ErrorCode::invalid_request,
                  "the prompt is not UTF-8: byte 0x{:02X} at offset {} starts no valid character; "
                  "save the text as UTF-8 and try again",
                  bytes[i], i);
    }
    const size_t end = i + static_cast<size_t>(length);
    runes.push_back({static_cast<char32_t>(value), static_cast<uint32_t>(i), static_cast<uint32_t>(end)});
    i = end;
  }
  return runes;
}

void require_utf8(std::string_view prompt) { static_cast<void>(decode_utf8(prompt)); }

void append_utf8(std::string& text, char32_t value) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  for (size_t i = 0; i < bytes.size();) {
    utf8proc_int32_t value = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(data + i, static_cast<utf8proc_ssize_t>(bytes.size() - i), &value);
    append_utf8(text, length > 0 ? static_cast<char32_t>(value) : kReplacement);
    i += length > 0 ? static_cast<size_t>(length) : 1;
  }
  return text;
}

bool is_letter(char32_t value) {
  const utf8proc_category_t c = category(value);
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t value) {
  const utf8proc_category_t c = category(value);
  return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}

bool is_word(char32_t value) { return value == U'_' || is_letter(value) || is_number(value); }

bool is_white_space(char32_t value) {
  if (value < 0x80) return value == U' ' || (value >= 0x09 && value <= 0x0D);
  return value == 0x85 || value == 0xA0 || value == 0x1680 || (value >= 0x2000 && value <= 0x200A) || value == 0x2028 ||
         value == 0x2029 || value == 0x202F || value == 0x205F || value == 0x3000;
}

bool is_python_space(char32_t value) { return is_white_space(value) || (value >= 0x1C && value <= 0x1F); }

std::optional<int> decimal_digit(char32_t value) {
  if (value < 0x80) {
    if (value < U'0' || value > U'9') return std::nullopt;
    return static_cast<int>(value - U'0');
  }
  if (category(value) != UTF8PROC_CATEGORY_ND) return std::nullopt;
  // Decimal digits come in whole runs from 0 to 9 (a stability policy of Unicode), some runs next to one another.
  char32_t zero = value;
  while (category(zero - 1) == UTF8PROC_CATEGORY_ND) --zero;
  return static_cast<int>((value - zero) % 10);
}

Runes lower_case(const Runes& text) {
  Runes lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const Rune rune = text[i];
    if (rune.value == kCapitalSigma) {
      lower.push_back({is_final_sigma(text, i) ? kFinalSigma : kSmallSigma, rune.begin, rune.end});
    } else if (rune.value == kCapitalDottedI) {
      lower.push_back({U'i', rune.begin, rune.end});
      lower.push_back({kCombiningDotAbove, rune.begin, rune.end});
    } else {
      const utf8proc_int32_t value = utf8proc_tolower(static_cast<utf8proc_int32_t>(rune.value));
      lower.push_back({static_cast<char32_t>(value), rune.begin, rune.end});
    }
  }
  return lower;
}

Utf8Step rune_at(std::string_view text, size_t position) {
  EASEL_ASSERT(position < text.size());
  utf8proc_int32_t value = 0;
  const utf8proc_ssize_t length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + position),
                                                   static_cast<utf8proc_ssize_t>(text.size() - position), &value);
  EASEL_ASSERT(length > 0);
  return {static_cast<char32_t>(value), static_cast<size_t>(length)};
}

Utf8Step rune_before(std::string_view text, size_t position) {
  EASEL_ASSERT(position > 0 && position <= text.size());
  size_t start = position - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return rune_at(text, start);
}

size_t skip_spaces(std::string_view text, size_t position) {
  while (position < text.size()) {
    const Utf8Step step = rune_at(text, position);
    if (!is_python_space(step.value)) break;
    position += step.bytes;
  }
  return position;
}

size_t skip_spaces_back(std::string_view text, size_t position) {
  while (position > 0) {
    const Utf8Step step = rune_before(text, position);
    if (!is_python_space(step.value)) break;
    position -= step.bytes;
  }
  return position;
}

}  // namespace easel
