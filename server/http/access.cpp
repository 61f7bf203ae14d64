#include "server/http/access.h"

#include <algorithm>

#include "easel/base/base64.h"
#include "easel/base/text.h"
#include "server/errors.h"

namespace easel::server {
namespace {

constexpr std::string_view kHealthPath = "/api/v1/health";  // says nothing but that the server is there

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Rebinding needs a name, so an address is always good.
bool is_address(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) return true;
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

bool is_safe(const std::string& method) { return method == "GET" || method == "HEAD"; }

void check_origin(const HttpRequest& request) {
  const std::string origin = lower_ascii(request.header("origin"));
  const std::string host = lower_ascii(request.header("host"));
  if (!origin.empty() && origin != "http://" + host && origin != "https://" + host) {
    throw HttpError(403, "foreign_origin",
                    fmt::format("a page of {} may not use this server; open the server's own page", origin));
  }
  if (!is_safe(request.method) && request.header("sec-fetch-site") == "cross-site") {
    throw HttpError(403, "foreign_origin", "a page of another site may not use this server");
  }
}

}  // namespace

bool equal_in_constant_time(std::string_view given, std::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char other = secret.empty() ? '\0' : secret[i % secret.size()];
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(other);
  }
  return difference == 0;
}

std::optional<std::string> host_without_port(std::string_view host) {
  const size_t bracket = host.find(']');
  const size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view name = host.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? "" : host.substr(colon + 1);
  if (name.empty() || !std::all_of(port.begin(), port.end(), is_digit)) return std::nullopt;
  return lower_ascii(name);
}

AccessRules::AccessRules(Credentials credentials, std::vector<std::string> allowed_hosts)
    : credentials_(std::move(credentials)), allowed_hosts_(std::move(allowed_hosts)) {
  for (std::string& host : allowed_hosts_) host = lower_ascii(host);
}

void AccessRules::check_site(const HttpRequest& request) const {
  check_host(request.header("host"));
  check_origin(request);
}

void AccessRules::check(const HttpRequest& request) const {
  check_site(request);
  if (request.path == kHealthPath || is_authorized(request.header("authorization"))) return;
  throw HttpError(
      401, "unauthorized",
      "this server needs credentials: the header 'Authorization: Bearer KEY', or a user's name and password");
}

void AccessRules::check_host(const std::string& header) const {
  const auto host = host_without_port(header);
  if (!host) throw HttpError(400, "invalid_host", "the request's Host header is missing or malformed");
  const bool is_local = *host == "localhost" || host->ends_with(".localhost") || is_address(*host);
  if (is_local || std::find(allowed_hosts_.begin(), allowed_hosts_.end(), *host) != allowed_hosts_.end()) return;
  throw HttpError(
      403, "foreign_host",
      fmt::format("this server is not known as {}; use its address, or start it with --allow-host {}", *host, *host));
}

bool AccessRules::is_authorized(const std::string& authorization) const {
  if (!credentials_.are_set()) return true;
  const size_t space = std::min(authorization.find(' '), authorization.size());
  const std::string scheme = lower_ascii(std::string_view(authorization).substr(0, space));
  const std::string value = trim(std::string_view(authorization).substr(space));
  if (scheme == "bearer" && !credentials_.api_key.empty()) return equal_in_constant_time(value, credentials_.api_key);
  if (scheme != "basic" || credentials_.user.empty()) return false;
  const auto pair = from_base64(value);
  if (!pair) return false;
  const std::string_view given(reinterpret_cast<const char*>(pair->data()), pair->size());
  return equal_in_constant_time(given, credentials_.user + ":" + credentials_.password);
}

std::string AccessRules::challenge() const {
  return credentials_.user.empty() ? "Bearer" : R"(Basic realm="easel", charset="UTF-8")";
}

}  // namespace easel::server
