#include "easel/checkpoint/contents.h"

#include <fmt/format.h>

#include "easel/base/text.h"

namespace easel {

std::string printable(std::string_view text, size_t limit) {
  const bool shortened = text.size() > limit;
  if (shortened) {
    text = text.substr(0, limit);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.remove_suffix(1);
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0) text.remove_suffix(1);
  }
  std::string out(text);
  const bool utf8 = is_utf8(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !utf8)) c = '?';
  }
  if (shortened) out += "...";
  return out;
}

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", printable(text, 120)); }

}  // namespace easel
