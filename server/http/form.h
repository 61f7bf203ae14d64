// multipart/form-data (RFC 7578): how browsers and client libraries upload files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace easel::server {

struct FormPart {
  std::string name;
  bool is_file;  // it came with a file name
  std::string content;
};
using Form = std::vector<FormPart>;

inline constexpr size_t kMaxFormParts = 64;

// Throws HttpError 415 for another content type, Error invalid_request for a malformed body.
Form parse_form(const std::string& content_type, std::string_view body);

}  // namespace easel::server
