// A small HTTP client, and a server in this process, for tests.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/serve.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {

using Json = nlohmann::json;

struct Response {
  int status = 0;                                   // 0: the connection closed without one
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};

  Json json() const { return Json::parse(body); }
};

// Longer than anything here takes, also under a sanitizer on a busy machine: whoever waits so long waits in vain.
inline constexpr std::chrono::seconds kPatience{300};

// One connection. Blocks; a read that takes longer than `patience` ends it.
class Connection {
 public:
  explicit Connection(uint16_t port, std::chrono::seconds patience = kPatience);
  Connection(Connection&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  void send(const std::string& bytes) const;
  Response receive(bool has_body = true);
  // Until the server closes the connection.
  std::string receive_all();
  bool is_closed_by_server();

 private:
  bool fill();

  int socket_;
  std::string buffer_;
};

using Headers = std::vector<std::pair<std::string, std::string>>;
std::string request_text(const std::string& method, const std::string& target, const std::string& body = "",
                         const Headers& headers = {});

// Requests to a server, a connection each.
class Client {
 public:
  explicit Client(uint16_t port) : port_(port) {}

  Response get(const std::string& target, const Headers& headers = {}) const;
  Response post(const std::string& target, const Json& body, const Headers& headers = {}) const;
  Response post_text(const std::string& target, const std::string& body, const Headers& headers = {}) const;
  Response remove(const std::string& target) const;
  Response send(const std::string& method, const std::string& target, const std::string& body,
                const Headers& headers) const;

  // Looks at the job until it is in `state` or has ended.
  Json await_job(int64_t id, const std::string& state = "") const;
  int64_t submit(const Json& request) const;

  uint16_t port() const { return port_; }

 private:
  uint16_t port_;
};

// With the tiny model, on any free port.
server::ServeOptions test_options(const std::filesystem::path& data_folder);
// 64x64 pixels in 2 steps.
Json small_request(uint64_t seed = 5);

}  // namespace easel::testing
