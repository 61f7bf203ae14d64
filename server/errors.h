// What clients are told when something is wrong: the one table from ErrorCode to names and HTTP status.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "easel/base/error.h"

namespace easel::server {

std::string_view name_of(ErrorCode code);  // "invalid_request"
int http_status(ErrorCode code);
int http_status_of(std::string_view name);  // of a recorded fault

// A request that HTTP itself, access rules or limits refuse.
class HttpError : public std::runtime_error {
 public:
  HttpError(int status, std::string code, const std::string& message)
      : std::runtime_error(message), status_(status), code_(std::move(code)) {}

  int status() const { return status_; }
  const std::string& code() const { return code_; }

 private:
  int status_;
  std::string code_;
};

// A field of a request's JSON that is wrong.
class FieldError : public Error {
 public:
  FieldError(std::string field, std::string kind, const std::string& message)
      : Error(ErrorCode::invalid_request, "{}", message), field_(std::move(field)), kind_(std::move(kind)) {}

  const std::string& field() const { return field_; }  // "steps"; of a nested one "override_settings.sd_vae"
  const std::string& kind() const { return kind_; }    // as pydantic spells it: "value_error", "type_error.integer"

 private:
  std::string field_;
  std::string kind_;
};

// Any exception as what clients are told; each API gives it its own shape.
struct Fault {
  int status;
  std::string code;
  std::string message;
  std::optional<std::string> field = {};
  std::string kind = {};
};
// Call in a catch block. What is no fault of the client's becomes 500 without details, which go to the log.
Fault current_fault();

}  // namespace easel::server
