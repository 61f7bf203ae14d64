#include "server/http/message.h"

#include <algorithm>

#include "easel/base/text.h"

namespace easel::server {
namespace {

constexpr size_t kMaxQueryFields = 64;

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::map<std::string, std::string>> parse_query(std::string_view text) {
  std::map<std::string, std::string> query;
  if (text.empty()) return query;
  const std::vector<std::string> fields = split(text, '&');
  if (fields.size() > kMaxQueryFields) return std::nullopt;
  for (std::string field : fields) {
    std::replace(field.begin(), field.end(), '+', ' ');
    const size_t equals = std::min(field.find('='), field.size());
    const auto name = percent_decoded(std::string_view(field).substr(0, equals));
    const auto value = percent_decoded(std::string_view(field).substr(std::min(equals + 1, field.size())));
    if (!name || !value) return std::nullopt;
    query[*name] = *value;
  }
  return query;
}

}  // namespace

std::string HttpRequest::header(const std::string& lower_name) const {
  const auto at = headers.find(lower_name);
  return at == headers.end() ? std::string() : at->second;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (!high || !low || (*high == 0 && *low == 0)) return std::nullopt;
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return is_utf8(out) ? std::optional(out) : std::nullopt;
}

std::optional<Target> parse_target(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  const size_t question = std::min(target.find('?'), target.size());
  const auto path = percent_decoded(target.substr(0, question));
  const auto query = parse_query(target.substr(std::min(question + 1, target.size())));
  if (!path || !query) return std::nullopt;
  return Target{*path, *query};
}

}  // namespace easel::server
