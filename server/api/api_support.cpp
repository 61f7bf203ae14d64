// What the routes of /api/v1 share.
#include <charconv>
#include <nlohmann/json.hpp>

#include "server/api/routes.h"

namespace easel::server {
namespace {

std::optional<int64_t> parse_number(const std::string& text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end || number < 0) return std::nullopt;
  return number;
}

std::optional<int64_t> read_number(const HttpRequest& request, const char* key, int64_t low, int64_t high) {
  const auto at = request.query.find(key);
  if (at == request.query.end()) return std::nullopt;
  const auto number = parse_number(at->second);
  if (number && *number >= low && *number <= high) return number;
  throw Error(ErrorCode::invalid_request, "{} is '{}', expected {} to {}", key, at->second, low, high);
}

}  // namespace

HttpResponse api_error(const Fault& fault) {
  using Json = nlohmann::ordered_json;
  Json error{{"code", fault.code}, {"message", fault.message}};
  if (fault.field) error["field"] = *fault.field;
  const Json body{{"error", std::move(error)}};
  return {.status = fault.status, .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

int64_t parse_id(const std::string& text) {
  if (const auto id = parse_number(text)) return *id;
  throw HttpError(404, "not_found", fmt::format("'{}' is no number", text));
}

Page parse_page(const HttpRequest& request) {
  Page page;
  page.before = read_number(request, "before", 1, INT64_MAX);
  page.limit = read_number(request, "limit", 1, kMaxPageLength).value_or(page.limit);
  return page;
}

HttpError queue_is_full() {
  return HttpError(429, "queue_full", "the queue is full; try again when some jobs have ended");
}

}  // namespace easel::server
