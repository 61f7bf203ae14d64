#include "tests/server/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

#include "easel/base/text.h"

namespace easel::testing {

Connection::Connection(uint16_t port, std::chrono::seconds patience) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket_);
    throw std::runtime_error("cannot connect");
  }
}

Connection::~Connection() {
  if (socket_ >= 0) ::close(socket_);
}

void Connection::send(const std::string& bytes) const {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;  // the server has enough; what it says is read next
    sent += static_cast<size_t>(count);
  }
}

bool Connection::fill() {
  char bytes[65536];
  const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(count));
  return true;
}

Response Connection::receive(bool has_body) {
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  Response response;
  const std::vector<std::string> lines = split(buffer_.substr(0, end), '\n');
  response.status = std::stoi(lines.at(0).substr(9, 3));
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    response.headers[lower_ascii(lines[i].substr(0, colon))] = trim(lines[i].substr(colon + 1));
  }
  buffer_.erase(0, end + 4);
  const auto length = response.headers.find("content-length");
  if (!has_body || length == response.headers.end()) return response;
  const size_t size = std::stoul(length->second);
  while (buffer_.size() < size && fill()) {
  }
  response.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return response;
}

std::string Connection::receive_all() {
  while (fill()) {
  }
  return std::move(buffer_);
}

bool Connection::is_closed_by_server() {
  char byte = 0;
  return ::recv(socket_, &byte, 1, 0) == 0;
}

std::string request_text(const std::string& method, const std::string& target, const std::string& body,
                         const Headers& headers) {
  std::string text = method + " " + target + " HTTP/1.1\r\n";
  bool has_host = false;
  for (const auto& [name, value] : headers) {
    text += name + ": " + value + "\r\n";
    has_host = has_host || name == "Host";
  }
  if (!has_host) text += "Host: 127.0.0.1\r\n";
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

Response Client::send(const std::string& method, const std::string& target, const std::string& body,
                      const Headers& headers) const {
  Connection connection(port_);
  connection.send(request_text(method, target, body, headers));
  return connection.receive(method != "HEAD");
}

Response Client::get(const std::string& target, const Headers& headers) const {
  return send("GET", target, "", headers);
}

Response Client::post(const std::string& target, const Json& body, const Headers& headers) const {
  return send("POST", target, body.dump(), headers);
}

Response Client::post_text(const std::string& target, const std::string& body, const Headers& headers) const {
  return send("POST", target, body, headers);
}

Response Client::remove(const std::string& target) const { return send("DELETE", target, "", {}); }

int64_t Client::submit(const Json& request) const {
  const Response response = post("/api/v1/jobs", request);
  EXPECT_EQ(response.status, 201) << response.body;
  return response.json().at("id").get<int64_t>();
}

Json Client::await_job(int64_t id, const std::string& state) const {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    Json job = get("/api/v1/jobs/" + std::to_string(id)).json();
    const std::string now = job.at("state");
    if (now == state || (now != "queued" && now != "running")) return job;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw std::runtime_error("the job does not end");
}

server::ServeOptions test_options(const std::filesystem::path& data_folder) {
  server::ServeOptions options;
  options.http.port = 0;
  options.data_folder = data_folder;
  options.pipeline.checkpoint = golden_path("models/sd1-tiny.ckpt");
  options.pipeline.threads = 2;
  return options;
}

Json small_request(uint64_t seed) {
  return {{"prompt", "a red bird"}, {"width", 64}, {"height", 64}, {"steps", 2}, {"seed", seed}};
}

}  // namespace easel::testing
