#include "server/http/form.h"

#include <optional>

#include "easel/base/text.h"
#include "server/errors.h"

namespace easel::server {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeaderEnd = "\r\n\r\n";

[[noreturn]] void refuse(std::string_view what) {
  throw Error(ErrorCode::invalid_request, "the multipart/form-data body is malformed: {}", what);
}

// The value of `key` in "form-data; name=\"image\"; filename=\"a.png\"", with or without quotes.
std::optional<std::string> find_value(std::string_view header, const std::string& key) {
  for (size_t at = header.find(key + "="); at != std::string_view::npos; at = header.find(key + "=", at + 1)) {
    if (at > 0 && header[at - 1] != ' ' && header[at - 1] != ';') continue;  // the end of a longer key
    const std::string_view value = header.substr(at + key.size() + 1);
    if (!value.starts_with('"')) return trim(value.substr(0, value.find(';')));
    const size_t end = value.find('"', 1);
    if (end == std::string_view::npos) return std::nullopt;
    return std::string(value.substr(1, end - 1));
  }
  return std::nullopt;
}

FormPart parse_part(std::string_view text) {
  const size_t end = text.find(kHeaderEnd);
  if (end == std::string_view::npos) refuse("a part has no end of its headers");
  FormPart part{.name = {}, .is_file = false, .content = std::string(text.substr(end + kHeaderEnd.size()))};
  for (const std::string& line : split(text.substr(0, end), '\n')) {
    if (!lower_ascii(line).starts_with("content-disposition:")) continue;
    part.name = find_value(line, "name").value_or("");
    part.is_file = find_value(line, "filename").has_value() || find_value(line, "filename*").has_value();
  }
  if (part.name.empty()) refuse("a part has no name");
  return part;
}

}  // namespace

Form parse_form(const std::string& content_type, std::string_view body) {
  const auto boundary = find_value(content_type, "boundary");
  if (!lower_ascii(content_type).starts_with("multipart/form-data") || !boundary || boundary->empty()) {
    throw HttpError(415, "unsupported_media_type", "expected a form with files, multipart/form-data");
  }
  const std::string delimiter = std::string(kLineEnd) + "--" + *boundary;
  const std::string_view first = std::string_view(delimiter).substr(kLineEnd.size());
  if (!body.starts_with(first)) refuse("it does not begin with its boundary");
  body.remove_prefix(first.size());
  Form form;
  while (!body.starts_with("--")) {
    if (!body.starts_with(kLineEnd)) refuse("a boundary is followed by something else");
    body.remove_prefix(kLineEnd.size());
    const size_t end = body.find(delimiter);
    if (end == std::string_view::npos) refuse("it was cut short");
    if (form.size() == kMaxFormParts) refuse("it has too many parts");
    form.push_back(parse_part(body.substr(0, end)));
    body.remove_prefix(end + delimiter.size());
  }
  return form;
}

}  // namespace easel::server
