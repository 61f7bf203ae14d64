// HttpServer: connections, limits and time-outs; what a request means is the application's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http/message.h"

namespace easel::server {

struct HttpOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 7860;  // 0: any free one
  int threads = 4;
  int64_t max_connections = 512;
  uint32_t max_header_bytes = 16 * 1024;
  uint64_t max_body_bytes = uint64_t{64} << 20;
  uint64_t max_total_body_bytes = uint64_t{512} << 20;                  // of all connections together
  std::chrono::milliseconds header_timeout = std::chrono::seconds(30);  // also how long an idle connection is kept
  std::chrono::milliseconds body_timeout = std::chrono::seconds(60);
  std::chrono::milliseconds write_timeout = std::chrono::seconds(60);  // of one response, or one event of a stream
};

struct HttpApplication {
  // Sees a request without its body, before that is read: a response refuses it.
  std::function<std::optional<HttpResponse>(const HttpRequest&)> refuse;
  std::function<void(HttpRequest, const Reply&)> handle;
  // The response to what is no valid request, or exceeds a limit. code: as in HttpError.
  std::function<HttpResponse(int status, const std::string& code, const std::string& message)> fail;
};

struct HttpCounts {
  int64_t open_connections = 0;
  int64_t requests = 0;
  int64_t refused_connections = 0;
};

class HttpServer {
 public:
  // Listens and serves on threads of its own. Throws Error invalid_request (address), io_failure (port in use).
  HttpServer(HttpOptions options, HttpApplication application);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  // stops

  uint16_t port() const;
  HttpCounts counts() const;

  // Accepts no more connections.
  void stop_accepting();
  // Waits until replies that are under way are sent, at most `patience`; then closes all connections.
  void stop(std::chrono::milliseconds patience);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace easel::server
