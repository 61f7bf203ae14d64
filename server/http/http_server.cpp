#include "server/http/http_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/text.h"
#include "server/http/byte_budget.h"

namespace easel::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr std::chrono::seconds kDrainTime{2};  // for what a refused client still sends
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
constexpr std::chrono::seconds kHeartbeat{15};  // of a stream without news, so that a closed connection is noticed

// What all connections share.
struct Shared {
  Shared(HttpOptions given_options, HttpApplication given_application)
      : options(std::move(given_options)),
        application(std::move(given_application)),
        body_budget(options.max_total_body_bytes) {}

  HttpOptions options;
  HttpApplication application;
  std::atomic<int64_t> connections = 0;
  std::atomic<int64_t> requests = 0;
  std::atomic<int64_t> refused = 0;
  std::atomic<int64_t> under_way = 0;  // requests whose response is not sent yet; streams do not count
  ByteBudget body_budget;
  std::atomic<bool> closing = false;
};

HttpRequest without_body(const http::request<http::string_body>& message, const Target& target) {
  HttpRequest request{.method = std::string(message.method_string()), .path = target.path, .query = target.query};
  for (const auto& field : message) {
    std::string& value = request.headers[lower_ascii(std::string(field.name_string()))];
    if (!value.empty()) value += ", ";
    value += std::string(field.value());
  }
  return request;
}

// One connection: reads a request, has it answered, and so on. All members belong to the strand of the socket.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)),
        stream_(std::move(socket)),
        heartbeat_(stream_.get_executor()),
        body_(shared_->body_budget) {
    ++shared_->connections;
  }
  ~Session() { --shared_->connections; }

  void start() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->read_head(); });
  }

 private:
  void read_head();
  void on_head(error_code failure);
  void read_body();
  void on_body(error_code failure);
  void on_bad_request(error_code failure);
  void refuse(HttpResponse response);
  void answer();
  void send(HttpResponse response);
  void start_stream(const HttpResponse& response);
  void pump();
  void write_piece(std::string piece);
  void await_piece();
  void end_stream();
  void start_draining();
  void drain();
  void close();

  std::shared_ptr<Shared> shared_;
  beast::tcp_stream stream_;
  asio::steady_timer heartbeat_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  ByteReservation body_;
  HttpRequest request_;
  http::response<http::string_body> response_;
  bool keep_alive_ = false;
  bool is_refused_ = false;
  std::shared_ptr<BodyStream> body_stream_;
  std::string piece_;
  bool is_writing_piece_ = false;
};

void Session::read_head() {
  body_.release();
  if (shared_->closing) return close();
  parser_.emplace();
  parser_->header_limit(shared_->options.max_header_bytes);
  parser_->body_limit(shared_->options.max_body_bytes);
  stream_.expires_after(shared_->options.header_timeout);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](error_code failure, size_t) { self->on_head(failure); });
}

void Session::on_head(error_code failure) {
  if (failure) return on_bad_request(failure);
  ++shared_->requests;
  keep_alive_ = parser_->get().keep_alive();
  const auto target = parse_target(std::string(parser_->get().target()));
  if (!target) return refuse(shared_->application.fail(400, "invalid_target", "the address is malformed"));
  request_ = without_body(parser_->get(), *target);
  if (auto refused = shared_->application.refuse(request_)) return refuse(std::move(*refused));
  const uint64_t expected = parser_->content_length() ? *parser_->content_length()
                                                      : (parser_->chunked() ? shared_->options.max_body_bytes : 0);
  if (!body_.take(expected)) {
    return refuse(shared_->application.fail(503, "busy", "too many large requests at once; try again"));
  }
  if (lower_ascii(request_.header("expect")) != "100-continue") return read_body();
  stream_.expires_after(shared_->options.write_timeout);
  asio::async_write(stream_, asio::buffer(kContinue), [self = shared_from_this()](error_code failed, size_t) {
    failed ? self->close() : self->read_body();
  });
}

void Session::read_body() {
  stream_.expires_after(shared_->options.body_timeout);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](error_code failure, size_t) { self->on_body(failure); });
}

void Session::on_body(error_code failure) {
  if (failure) return on_bad_request(failure);
  request_.body = std::move(parser_->get().body());
  answer();
}

// Tells the client where that makes sense.
void Session::on_bad_request(error_code failure) {
  const auto fail = [this](int status, const char* code, const std::string& message) {
    refuse(shared_->application.fail(status, code, message));
  };
  const std::string header_limit = format_bytes(shared_->options.max_header_bytes);
  const std::string body_limit = format_bytes(shared_->options.max_body_bytes);
  if (failure == http::error::header_limit) return fail(431, "too_large", "headers take at most " + header_limit);
  if (failure == http::error::body_limit) return fail(413, "too_large", "a request takes at most " + body_limit);
  const bool is_about_syntax = failure.category() == http::make_error_code(http::error::bad_method).category();
  if (is_about_syntax && failure != http::error::end_of_stream && failure != http::error::partial_message) {
    return fail(400, "malformed_request", "this is not valid HTTP: " + failure.message());
  }
  close();  // it has gone, or was too slow, and then the stream is closed already
}

// The client may still be sending: closing at once would reset the connection before it has read why.
void Session::refuse(HttpResponse response) {
  keep_alive_ = false;
  is_refused_ = true;
  ++shared_->under_way;
  send(std::move(response));
}

void Session::answer() {
  stream_.expires_never();
  ++shared_->under_way;
  shared_->application.handle(std::move(request_), [self = shared_from_this()](HttpResponse response) {
    asio::post(self->stream_.get_executor(),
               [self, response = std::move(response)]() mutable { self->send(std::move(response)); });
  });
}

void set_fields(http::response<http::string_body>& message, const HttpResponse& response) {
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
  message.set("X-Content-Type-Options", "nosniff");
  message.set("X-Frame-Options", "DENY");
  message.set("Referrer-Policy", "no-referrer");
  message.set("Cross-Origin-Resource-Policy", "same-origin");
  message.set(http::field::cache_control, "no-store");
  for (const auto& [name, value] : response.headers) message.set(name, value);
}

void Session::send(HttpResponse response) {
  const bool is_head = parser_->get().method() == http::verb::head;
  if (response.stream && !is_head) return start_stream(response);
  response_ = {};
  set_fields(response_, response);
  keep_alive_ = keep_alive_ && !shared_->closing;
  response_.keep_alive(keep_alive_);
  response_.body() = std::move(response.body);
  response_.prepare_payload();
  if (is_head) response_.body().clear();  // its length stays announced
  stream_.expires_after(shared_->options.write_timeout);
  http::async_write(stream_, response_, [self = shared_from_this()](error_code failure, size_t) {
    --self->shared_->under_way;
    if (failure) return self->close();
    if (self->keep_alive_) return self->read_head();
    self->is_refused_ ? self->start_draining() : self->close();
  });
}

// A stream ends with its connection, which every client of HTTP/1 understands.
void Session::start_stream(const HttpResponse& response) {
  --shared_->under_way;
  body_stream_ = response.stream;
  body_stream_->on_more([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) asio::post(self->stream_.get_executor(), [self] { self->pump(); });
  });
  response_ = {};
  set_fields(response_, response);
  response_.keep_alive(false);
  std::ostringstream head;
  head << response_.base();
  write_piece(head.str());
}

void Session::pump() {
  if (is_writing_piece_ || !body_stream_) return;
  std::optional<std::string> piece = body_stream_->next();
  if (!piece) return end_stream();
  piece->empty() ? await_piece() : write_piece(std::move(*piece));
}

void Session::write_piece(std::string piece) {
  piece_ = std::move(piece);
  is_writing_piece_ = true;
  stream_.expires_after(shared_->options.write_timeout);
  asio::async_write(stream_, asio::buffer(piece_), [self = shared_from_this()](error_code failure, size_t) {
    self->is_writing_piece_ = false;
    failure ? self->end_stream() : self->pump();
  });
}

void Session::await_piece() {
  stream_.expires_never();
  heartbeat_.expires_after(kHeartbeat);
  heartbeat_.async_wait([self = shared_from_this()](error_code failure) {
    if (failure || !self->body_stream_ || self->is_writing_piece_) return;
    self->write_piece(": still here\n\n");
  });
}

void Session::end_stream() {
  body_stream_.reset();
  heartbeat_.cancel();
  close();
}

void Session::start_draining() {
  error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kDrainTime);
  piece_.resize(16 * 1024);
  drain();
}

void Session::drain() {
  stream_.async_read_some(asio::buffer(piece_), [self = shared_from_this()](error_code failure, size_t) {
    failure ? self->close() : self->drain();
  });
}

void Session::close() {
  error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream_.close();
}

// A connection whose handler throws is lost, the others go on.
void serve(asio::io_context& io) {
  while (!io.stopped()) {
    try {
      io.run();
    } catch (const std::exception& error) {
      log::warn("a connection was lost: {}", error.what());
    }
  }
}

tcp::endpoint endpoint_of(const HttpOptions& options) {
  error_code failure;
  const auto address = asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address, failure);
  if (failure) {
    throw Error(ErrorCode::invalid_request, "host '{}' is no address; expected such as 127.0.0.1, 0.0.0.0 or ::1",
                options.address);
  }
  return {address, options.port};
}

}  // namespace

struct HttpServer::State {
  State(HttpOptions options, HttpApplication application)
      : shared(std::make_shared<Shared>(std::move(options), std::move(application))), acceptor(io) {}

  void listen();
  void accept();
  void on_connection(tcp::socket socket);

  std::shared_ptr<Shared> shared;
  asio::io_context io;
  tcp::acceptor acceptor;
  asio::executor_work_guard<asio::io_context::executor_type> work{
      io.get_executor()};  // while replies are made elsewhere
  uint16_t port = 0;
  std::vector<std::thread> threads;
};

void HttpServer::State::listen() {
  const tcp::endpoint endpoint = endpoint_of(shared->options);
  error_code failure;
  acceptor.open(endpoint.protocol(), failure);
  if (!failure) acceptor.set_option(asio::socket_base::reuse_address(true), failure);
  if (!failure) acceptor.bind(endpoint, failure);
  if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure) {
    throw Error(ErrorCode::io_failure, "cannot listen on {}:{}: {}; is another server running? Choose one with --port",
                shared->options.address, shared->options.port, failure.message());
  }
  port = acceptor.local_endpoint().port();
}

void HttpServer::State::accept() {
  acceptor.async_accept(asio::make_strand(io), [this](error_code failure, tcp::socket socket) {
    if (failure == asio::error::operation_aborted || shared->closing) return;
    if (!failure) on_connection(std::move(socket));
    if (failure) std::this_thread::sleep_for(kAcceptRetry);  // out of file descriptors, say
    accept();
  });
}

void HttpServer::State::on_connection(tcp::socket socket) {
  if (shared->connections < shared->options.max_connections) {
    return std::make_shared<Session>(std::move(socket), shared)->start();
  }
  ++shared->refused;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(kTooMany), ignored);
}

HttpServer::HttpServer(HttpOptions options, HttpApplication application)
    : state_(std::make_unique<State>(std::move(options), std::move(application))) {
  state_->listen();
  state_->accept();
  const int count = std::max(1, state_->shared->options.threads);
  for (int i = 0; i < count; ++i) state_->threads.emplace_back([io = &state_->io] { serve(*io); });
}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

uint16_t HttpServer::port() const { return state_->port; }

HttpCounts HttpServer::counts() const {
  return {state_->shared->connections, state_->shared->requests, state_->shared->refused};
}

void HttpServer::stop_accepting() {
  state_->shared->closing = true;
  asio::post(state_->io, [state = state_.get()] {
    error_code ignored;
    state->acceptor.close(ignored);
  });
}

void HttpServer::stop(std::chrono::milliseconds patience) {
  if (state_->threads.empty()) return;
  stop_accepting();
  const auto end = std::chrono::steady_clock::now() + patience;
  while (state_->shared->under_way > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  state_->io.stop();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

}  // namespace easel::server
