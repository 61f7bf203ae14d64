// Requests and responses as the routes see them: plain values, without a library's types.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace easel::server {

struct HttpRequest {
  std::string method = {};                          // "GET"
  std::string path = {};                            // percent-decoded, begins with '/'
  std::map<std::string, std::string> query = {};    // decoded
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};
  std::vector<std::string> captures = {};  // what the {} of the route's pattern matched

  std::string header(const std::string& lower_name) const;  // empty if there is none
};

// A body made while it is sent. Used by one connection.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // What there is to send now, maybe nothing; no value: the end.
  virtual std::optional<std::string> next() = 0;
  // `wake` may be called from any thread when next() has more. Called once, before the first next().
  virtual void on_more(std::function<void()> wake) = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::shared_ptr<BodyStream> stream = {};  // instead of `body`
};

// Sends the response; called once, from any thread.
using Reply = std::function<void(HttpResponse)>;

// Splits `target` ("/a%20b?x=1") into path and query. Nothing if it is malformed: a bad escape, a NUL, no '/' first.
struct Target {
  std::string path;
  std::map<std::string, std::string> query;
};
std::optional<Target> parse_target(std::string_view target);

std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace easel::server
