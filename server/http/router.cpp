#include "server/http/router.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "easel/base/text.h"

namespace easel::server {
namespace {

constexpr std::chrono::seconds kRetryAfter{10};

AsyncHandler answering(Handler handler) {
  return [handler = std::move(handler)](const HttpRequest& request, const Answer& answer) {
    answer([&] { return handler(request); });
  };
}

// What the {} of `pattern` match in `path`; nothing if it does not match.
std::optional<std::vector<std::string>> match(const std::string& pattern, const std::string& path) {
  const std::vector<std::string> wanted = split(pattern, '/'), given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::string> captures;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      captures.push_back(given[i]);
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return captures;
}

HttpResponse plain_error(const Fault& fault) {
  return {.status = fault.status, .content_type = "text/plain; charset=utf-8", .body = fault.message + "\n"};
}

}  // namespace

void Answer::operator()(const std::function<HttpResponse()>& make) const {
  HttpResponse response;
  try {
    response = make();
  } catch (...) {
    response = shape_(current_fault());
  }
  if (response.status == 429) response.headers.emplace_back("Retry-After", std::to_string(kRetryAfter.count()));
  reply_(std::move(response));
}

void Router::set_error_shape(std::string prefix, ErrorShape shape) { shapes_.emplace_back(std::move(prefix), shape); }

void Router::add(std::string method, std::string pattern, AsyncHandler handler) {
  routes_.push_back({std::move(method), std::move(pattern), std::move(handler)});
}

void Router::get(std::string pattern, Handler handler) {
  add("GET", std::move(pattern), answering(std::move(handler)));
}
void Router::post(std::string pattern, Handler handler) {
  add("POST", std::move(pattern), answering(std::move(handler)));
}
void Router::remove(std::string pattern, Handler handler) {
  add("DELETE", std::move(pattern), answering(std::move(handler)));
}
void Router::post_async(std::string pattern, AsyncHandler handler) {
  add("POST", std::move(pattern), std::move(handler));
}

ErrorShape Router::shape_for(const std::string& path) const {
  ErrorShape found = plain_error;
  size_t length = 0;
  for (const auto& [prefix, shape] : shapes_) {
    if (path.starts_with(prefix) && prefix.size() > length) {
      found = shape;
      length = prefix.size();
    }
  }
  return found;
}

HttpResponse Router::refusal(const std::string& path, const Fault& fault) const { return shape_for(path)(fault); }

// Throws HttpError 404 or 405.
AsyncHandler Router::find(HttpRequest& request) const {
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::vector<std::string> other_methods;
  for (const Route& route : routes_) {
    auto captures = match(route.pattern, request.path);
    if (!captures) continue;
    if (route.method == method) {
      request.captures = std::move(*captures);
      return route.handler;
    }
    other_methods.push_back(route.method);
  }
  if (!other_methods.empty()) {
    throw HttpError(
        405, "method_not_allowed",
        fmt::format("{} does not take {}; it takes {}", request.path, request.method, fmt::join(other_methods, ", ")));
  }
  if (method == "GET" && fallback_) return answering(fallback_);
  throw HttpError(404, "not_found", fmt::format("there is nothing at {}", request.path));
}

void Router::handle(HttpRequest request, const Reply& reply) const {
  const Answer answer(reply, shape_for(request.path));
  AsyncHandler handler;
  try {
    handler = find(request);
    handler(request, answer);
  } catch (...) {
    answer([]() -> HttpResponse { throw; });
  }
}

}  // namespace easel::server
