// Router: finds the handler for a request; what a handler throws becomes an error in the shape of its API.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "server/errors.h"
#include "server/http/message.h"

namespace easel::server {

using ErrorShape = HttpResponse (*)(const Fault&);

// The answer to one request, now or later, from any thread.
class Answer {
 public:
  Answer(Reply reply, ErrorShape shape) : reply_(std::move(reply)), shape_(shape) {}

  // Sends what `make` returns, or the error that it throws.
  void operator()(const std::function<HttpResponse()>& make) const;

 private:
  Reply reply_;
  ErrorShape shape_;
};

using Handler = std::function<HttpResponse(const HttpRequest&)>;
using AsyncHandler = std::function<void(const HttpRequest&, const Answer&)>;

struct Route {
  std::string method;   // GET answers HEAD too
  std::string pattern;  // "/api/v1/jobs/{id}": {} matches one segment
  AsyncHandler handler;
};

class Router {
 public:
  // Errors under `prefix` look like this; the longest prefix counts.
  void set_error_shape(std::string prefix, ErrorShape shape);
  void get(std::string pattern, Handler handler);
  void post(std::string pattern, Handler handler);
  void remove(std::string pattern, Handler handler);  // DELETE
  void post_async(std::string pattern, AsyncHandler handler);
  // What no pattern matches, GET only.
  void set_fallback(Handler handler) { fallback_ = std::move(handler); }

  void handle(HttpRequest request, const Reply& reply) const;
  HttpResponse refusal(const std::string& path, const Fault& fault) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  void add(std::string method, std::string pattern, AsyncHandler handler);
  ErrorShape shape_for(const std::string& path) const;
  AsyncHandler find(HttpRequest& request) const;

  std::vector<Route> routes_;
  std::vector<std::pair<std::string, ErrorShape>> shapes_;
  Handler fallback_;
};

}  // namespace easel::server
