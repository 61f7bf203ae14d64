#include "server/errors.h"

#include <array>
#include <exception>
#include <new>

#include "easel/base/log.h"

namespace easel::server {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  int status;
};

// Clients repeat requests that fail with 409, 429 or 5xx, so what would fail again has another status.
constexpr std::array kTable = {
    Row{ErrorCode::invalid_request, "invalid_request", 400}, Row{ErrorCode::not_found, "not_found", 404},
    Row{ErrorCode::bad_checkpoint, "bad_checkpoint", 422},   Row{ErrorCode::bad_image, "bad_image", 400},
    Row{ErrorCode::bad_config, "bad_config", 422},           Row{ErrorCode::out_of_memory, "out_of_memory", 422},
    Row{ErrorCode::io_failure, "io_failure", 507},           Row{ErrorCode::cancelled, "cancelled", 410},
    Row{ErrorCode::device_failure, "device_failure", 500},
};

const Row& row_of(ErrorCode code) {
  for (const Row& row : kTable) {
    if (row.code == code) return row;
  }
  return kTable.back();
}

}  // namespace

std::string_view name_of(ErrorCode code) { return row_of(code).name; }

int http_status(ErrorCode code) { return row_of(code).status; }

int http_status_of(std::string_view name) {
  for (const Row& row : kTable) {
    if (row.name == name) return row.status;
  }
  return 500;
}

Fault current_fault() {
  try {
    throw;
  } catch (const HttpError& error) {
    return {error.status(), error.code(), error.what()};
  } catch (const FieldError& error) {
    return {http_status(error.code()), std::string(name_of(error.code())), error.what(), error.field(), error.kind()};
  } catch (const Error& error) {
    return {http_status(error.code()), std::string(name_of(error.code())), error.what()};
  } catch (const std::bad_alloc&) {
    return {http_status(ErrorCode::out_of_memory), "out_of_memory", "the server is out of memory; try again later"};
  } catch (const std::exception& error) {
    log::warn("internal error: {}", error.what());
    return {500, "internal", "internal error; the server's log says more"};
  }
}

}  // namespace easel::server
