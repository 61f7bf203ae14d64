#include "easel/prompt/html_entities.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace easel {
namespace {

constexpr size_t kMaxNameRunes = 32;  // without the `;`
constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kLastCodePoint = 0x10FFFF;

struct Entity {
  std::string_view name;  // with its `;` where it has one
  char32_t first;
  char32_t second;  // 0: none
};
constexpr Entity kEntities[] = {
#include "easel/prompt/html_entities.inc"
};

// What 0x80..0x9F mean in HTML: windows-1252, where that has a character.
constexpr std::array<char32_t, 32> kWindows1252{0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

const Entity* find_entity(std::string_view name) {
  const Entity* found = std::ranges::lower_bound(kEntities, name, {}, &Entity::name);
  return found != std::end(kEntities) && found->name == name ? found : nullptr;
}

// The character of a numeric reference; nothing for control and non-characters.
std::optional<char32_t> numbered_character(char32_t number) {
  if (number == 0 || number > kLastCodePoint || (number >= 0xD800 && number <= 0xDFFF)) return kReplacement;
  if (number >= 0x80 && number <= 0x9F) return kWindows1252[number - 0x80];
  const bool control = number < 0x20 && number != U'\t' && number != U'\n' && number != U'\f' && number != U'\r';
  const bool non_character = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
  if (control || number == 0x7F || non_character) return std::nullopt;
  return number;
}

int digit_value(char32_t value, int base) {
  if (value >= U'0' && value <= U'9') return static_cast<int>(value - U'0');
  if (base == 16 && value >= U'a' && value <= U'f') return static_cast<int>(value - U'a') + 10;
  if (base == 16 && value >= U'A' && value <= U'F') return static_cast<int>(value - U'A') + 10;
  return base;
}

class Unescaper {
 public:
  explicit Unescaper(const Runes& text) : text_(text) { out_.reserve(text.size()); }

  Runes run() {
    for (size_t i = 0; i < text_.size();) {
      const size_t used = text_[i].value == U'&' ? reference(i) : 0;
      if (used == 0) out_.push_back(text_[i]);
      i += std::max<size_t>(used, 1);
    }
    return std::move(out_);
  }

 private:
  bool is(size_t i, char32_t value) const { return i < text_.size() && text_[i].value == value; }

  // The runes that the reference starting with `&` at `start` takes up, 0 if there is none.
  size_t reference(size_t start) { return is(start + 1, U'#') ? numeric(start) : named(start); }

  size_t numeric(size_t start) {
    const bool hexadecimal = is(start + 2, U'x') || is(start + 2, U'X');
    const int base = hexadecimal ? 16 : 10;
    const size_t first = start + (hexadecimal ? 3 : 2);
    size_t i = first;
    char32_t number = 0;
    for (; i < text_.size() && digit_value(text_[i].value, base) < base; ++i) {
      number = std::min<char32_t>(number * base + digit_value(text_[i].value, base), kLastCodePoint + 1);
    }
    if (i == first) return 0;
    if (is(i, U';')) ++i;
    if (const auto value = numbered_character(number)) emit(*value, start, i);
    return i - start;
  }

  size_t named(size_t start) {
    std::string name;
    size_t i = start + 1;
    for (; i < text_.size() && name.size() < kMaxNameRunes; ++i) {
      const char32_t value = text_[i].value;
      const bool alphanumeric =
          (value >= U'a' && value <= U'z') || (value >= U'A' && value <= U'Z') || (value >= U'0' && value <= U'9');
      if (!alphanumeric) break;
      name.push_back(static_cast<char>(value));
    }
    if (is(i, U';')) {
      if (const Entity* entity = find_entity(name + ';')) return emit(*entity, start, i + 1);
    }
    for (; name.size() >= 2; name.pop_back()) {
      if (const Entity* entity = find_entity(name)) return emit(*entity, start, start + 1 + name.size());
    }
    return 0;
  }

  size_t emit(const Entity& entity, size_t start, size_t end) {
    emit(entity.first, start, end);
    if (entity.second != 0) emit(entity.second, start, end);
    return end - start;
  }
  void emit(char32_t value, size_t start, size_t end) {
    out_.push_back({value, text_[start].begin, text_[end - 1].end});
  }

  const Runes& text_;
  Runes out_;
};

}  // namespace

Runes unescape_html(const Runes& text) { return Unescaper(text).run(); }

}  // namespace easel
