// Who may talk to the server. Web pages of other sites may not: neither directly (Origin) nor by pointing a name of
// theirs at this machine (DNS rebinding, seen in Host).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"

namespace easel::server {

struct Credentials {
  std::string api_key = {};  // for "Authorization: Bearer KEY"; empty: none
  std::string user = {};     // for Basic; empty: none
  std::string password = {};

  bool are_set() const { return !api_key.empty() || !user.empty(); }
};

class AccessRules {
 public:
  // allowed_hosts: names beside localhost under which the server may be addressed; addresses always may.
  AccessRules(Credentials credentials, std::vector<std::string> allowed_hosts);

  // Looks at method, path and headers. Throws HttpError 400, 401 or 403 that says why.
  void check(const HttpRequest& request) const;
  // Host and Origin alone, for what everyone on the way may see.
  void check_site(const HttpRequest& request) const;

  // The header that a 401 carries.
  std::string challenge() const;

 private:
  void check_host(const std::string& host) const;
  bool is_authorized(const std::string& authorization) const;

  Credentials credentials_;
  std::vector<std::string> allowed_hosts_;
};

// Takes as long for any `given` of the same length.
bool equal_in_constant_time(std::string_view given, std::string_view secret);

// "localhost:7860" -> "localhost", "[::1]:7860" -> "[::1]"; nothing if malformed.
std::optional<std::string> host_without_port(std::string_view host);

}  // namespace easel::server
