// Connections, limits, time-outs and access, seen from outside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "easel/base/error.h"
#include "tests/server/client.h"

namespace easel::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// Small limits and short times, so that they are reached soon.
server::ServeOptions tight_options(const TemporaryFolder& folder) {
  server::ServeOptions options = test_options(folder.path());
  options.http.max_header_bytes = 4096;
  options.http.max_body_bytes = 100'000;
  options.http.max_total_body_bytes = 150'000;
  options.http.max_connections = 40;
  options.http.header_timeout = options.http.body_timeout = std::chrono::milliseconds(300);
  return options;
}

class Http : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  server::Server server_{tight_options(folder_)};
  Client client_{server_.port()};
};

TEST_F(Http, ConnectionsAreKeptAndRequestsMayFollowEachOther) {
  Connection connection(client_.port());
  const std::string health = request_text("GET", "/api/v1/health");
  connection.send(health + health);
  EXPECT_EQ(connection.receive().status, 200);
  EXPECT_EQ(connection.receive().status, 200);
  connection.send(request_text("GET", "/api/v1/health", "", {{"Connection", "close"}}));
  EXPECT_EQ(connection.receive().headers["connection"], "close");
  EXPECT_TRUE(connection.is_closed_by_server());
}

TEST_F(Http, UnknownPathsAndMethodsAreTold) {
  EXPECT_EQ(client_.get("/api/v1/nothing").json()["error"]["code"], "not_found");
  EXPECT_EQ(client_.get("/nothing").status, 404);
  EXPECT_EQ(client_.get("/api/v1/jobs/17").status, 404);
  EXPECT_EQ(client_.get("/api/v1/jobs/seventeen").status, 404);
  const Response wrong = client_.post("/api/v1/samplers", Json::object());
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.json()["error"]["message"].get<std::string>(), HasSubstr("it takes GET"));
  EXPECT_EQ(client_.send("OPTIONS", "/api/v1/jobs", "", {}).status, 405);
  const Response head = client_.send("HEAD", "/api/v1/samplers", "", {});
  EXPECT_EQ(head.status, 200);
  EXPECT_GT(std::stoi(head.headers.at("content-length")), 100);
}

TEST_F(Http, PathsCannotLeaveTheServersOwnFiles) {
  for (const char* path : {"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/images/..%2f..%2fx/file",
                           "//etc/passwd", "/api/v1/models/../../x"}) {
    EXPECT_EQ(client_.get(path).status, 404) << path;
  }
  for (const char* path : {"/%zz", "/%00", "/%", "/%ff", "*", "http://127.0.0.1/api/v1/health"}) {
    EXPECT_EQ(client_.get(path).status, 400) << path;
  }
}

TEST_F(Http, PagesOfOtherSitesAreRefused) {
  const auto status = [&](const Headers& headers) {
    return client_.post("/api/v1/tokens", {{"prompt", "x"}}, headers).status;
  };
  EXPECT_EQ(status({{"Host", "localhost:7860"}, {"Origin", "http://localhost:7860"}}), 200);
  EXPECT_EQ(status({{"Host", "[::1]:7860"}}), 200);
  EXPECT_EQ(status({{"Origin", "http://evil.example"}}), 403);
  EXPECT_EQ(status({{"Origin", "null"}}), 403);
  EXPECT_EQ(status({{"Origin", "http://127.0.0.1:9999"}}), 403);
  EXPECT_EQ(status({{"Sec-Fetch-Site", "cross-site"}}), 403);
  EXPECT_EQ(status({{"Host", "evil.example"}}), 403);  // a name that was made to point here
  EXPECT_EQ(status({{"Host", "127.0.0.1.evil.example"}}), 403);
  EXPECT_EQ(status({{"Host", ""}}), 400);
  EXPECT_EQ(status({{"Host", "localhost:port"}}), 400);
  const Response answer = client_.get("/api/v1/health", {{"Origin", "http://127.0.0.1"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.headers.contains("access-control-allow-origin"));
}

TEST_F(Http, LargeHeadersAndBodiesAreRefusedBeforeTheyAreRead) {
  EXPECT_EQ(client_.get("/api/v1/health", {{"X-Long", std::string(5000, 'x')}}).status, 431);
  const Response large = client_.post_text("/api/v1/info", std::string(200'000, 'x'));
  EXPECT_EQ(large.status, 413);
  EXPECT_THAT(large.body, HasSubstr("at most 100 kB"));

  Connection announced(client_.port());  // nothing of it was sent yet
  announced.send("POST /api/v1/info HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n");
  EXPECT_EQ(announced.receive().status, 413);

  Connection chunked(client_.port());
  chunked.send("POST /api/v1/info HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) chunked.send("2000\r\n" + std::string(0x2000, 'x') + "\r\n");
  EXPECT_EQ(chunked.receive().status, 413);
}

TEST_F(Http, LargeBodiesShareABudget) {
  const std::string head = "POST /api/v1/info HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n";
  Connection first(client_.port()), second(client_.port());
  first.send(head + "x");
  EXPECT_EQ(client_.get("/api/v1/health").status, 200);  // the first is being read by now
  second.send(head);
  const Response refused = second.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "5");
}

TEST_F(Http, ExpectedBodiesAreAskedFor) {
  Connection connection(client_.port());
  const std::string body = R"({"prompt": "a bird"})";
  connection.send("POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(connection.receive().status, 100);
  connection.send(body);
  EXPECT_EQ(connection.receive().json()["tokens"], 2);
}

TEST_F(Http, SlowClientsAreCutOff) {
  Connection idle(client_.port()), slow_head(client_.port()), slow_body(client_.port());
  slow_head.send("GET /api/v1/health HTTP/1.1\r\nHost: loc");
  slow_body.send("POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(idle.is_closed_by_server());
  EXPECT_THAT(slow_head.receive().status, AnyOf(0, 408));
  EXPECT_THAT(slow_body.receive().status, AnyOf(0, 408));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));

  Connection dripping(client_.port());  // a byte now and then wins no time
  const auto drip_start = std::chrono::steady_clock::now();
  dripping.send("GET /api/v1/health HTTP/1.1\r\n");
  for (int i = 0; i < 20; ++i) {
    dripping.send("X: y\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  EXPECT_THAT(dripping.receive().status, AnyOf(0, 408));
  EXPECT_LT(std::chrono::steady_clock::now() - drip_start, std::chrono::seconds(30));
}

TEST_F(Http, ConnectionsBeyondTheLimitAreRefused) {
  std::vector<Connection> held;
  for (int i = 0; i < 60; ++i) held.emplace_back(client_.port());
  int refused = 0;
  for (Connection& connection : held) refused += connection.receive().status == 503 ? 1 : 0;  // the others time out
  EXPECT_GE(refused, 20);
  EXPECT_LT(refused, 60);
  EXPECT_EQ(client_.get("/api/v1/health").status, 200);
}

TEST_F(Http, MalformedRequestsHarmNothing) {
  for (const char* text : {"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00",
                           "GET / HTTP/1.1\r\nA\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"}) {
    Connection connection(client_.port());
    connection.send(text);
    EXPECT_THAT(connection.receive().status, AnyOf(0, 400, 403, 408)) << text;
  }
  EXPECT_EQ(client_.get("/api/v1/health").status, 200);
}

// Valid requests with bytes changed, cut or repeated at random.
TEST_F(Http, DamagedRequestsHarmNothing) {
  const std::vector<std::string> originals = {
      request_text("POST", "/api/v1/jobs", R"({"prompt": "a", "width": 64, "height": 64, "steps": 99999})"),
      request_text("POST", "/sdapi/v1/txt2img", R"({"prompt": "a", "steps": -1, "override_settings": {"a": [1, 2]}})"),
      request_text("POST", "/v1/images/generations", R"({"prompt": "a", "n": 0, "size": "64x64"})"),
      request_text("POST", "/sdapi/v1/png-info", R"({"image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="})"),
      request_text("GET", "/api/v1/jobs?limit=3&before=2", "", {{"Origin", "http://localhost"}})};
  std::mt19937 random(1);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (int i = 0; i < 400; ++i) {
    std::string text = originals[below(originals.size())];
    for (size_t changes = below(4) + 1; changes > 0; --changes) {
      const size_t at = below(text.size());
      switch (below(3)) {
        case 0: text[at] = static_cast<char>(below(256)); break;
        case 1: text.erase(at, below(8)); break;
        default: text.insert(at, text.substr(below(text.size()), below(16))); break;
      }
    }
    Connection connection(client_.port());
    connection.send(text);
  }
  EXPECT_EQ(client_.get("/api/v1/health").status, 200);
}

TEST(HttpAccess, CredentialsAreAskedFor) {
  const TemporaryFolder folder;
  server::ServeOptions options = test_options(folder.path());
  options.credentials = {.api_key = "s3cret", .user = "ann", .password = "pass word"};
  const server::Server server(options);
  const Client client(server.port());
  const auto status = [&](const std::string& authorization) {
    return client.get("/api/v1/jobs", {{"Authorization", authorization}}).status;
  };
  const Response refused = client.get("/api/v1/jobs");
  EXPECT_EQ(refused.status, 401);
  EXPECT_THAT(refused.headers.at("www-authenticate"), HasSubstr("Basic"));
  EXPECT_EQ(refused.json()["error"]["code"], "unauthorized");
  EXPECT_EQ(status("Bearer s3cret"), 200);
  EXPECT_EQ(status("bearer s3cret"), 200);
  EXPECT_EQ(status("Basic YW5uOnBhc3Mgd29yZA=="), 200);
  for (const char* wrong : {"Bearer s3cre", "Bearer s3crets", "Bearer", "Basic YW5uOnBhc3M=", "Basic !", "s3cret"}) {
    EXPECT_EQ(status(wrong), 401) << wrong;
  }
  EXPECT_EQ(client.get("/api/v1/health").status, 200);
  EXPECT_EQ(client.get("/v1/models").json()["error"]["type"], "invalid_request_error");
  EXPECT_THAT(client.get("/sdapi/v1/options").json()["detail"].get<std::string>(), HasSubstr("credentials"));
}

TEST(HttpAccess, NamesOfTheMachineAreAllowedOnRequest) {
  const TemporaryFolder folder;
  server::ServeOptions options = test_options(folder.path());
  options.allowed_hosts = {"Studio.local"};
  const server::Server server(options);
  EXPECT_EQ(Client(server.port()).get("/api/v1/health", {{"Host", "studio.local:7860"}}).status, 200);
}

TEST(HttpAccess, ListeningBeyondThisMachineTakesCredentials) {
  const TemporaryFolder folder;
  server::ServeOptions options = test_options(folder.path());
  options.http.address = "0.0.0.0";
  EXPECT_THROW(server::Server{options}, Error);
  options.credentials.api_key = "key";
  EXPECT_NO_THROW(server::Server{options});
  options.http.address = "nowhere.example";
  EXPECT_THROW(server::Server{options}, Error);
}

TEST(HttpAccess, ATakenPortIsToldWithTheCure) {
  const TemporaryFolder folder, other;
  const server::Server server(test_options(folder.path()));
  server::ServeOptions options = test_options(other.path());
  options.http.port = server.port();
  try {
    const server::Server second(options);
    FAIL() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--port"));
  }
}

TEST(WebPages, NeedNoCredentialsButARightSite) {
  const TemporaryFolder folder, pages;
  pages.write("index.html", "<!doctype html>");
  server::ServeOptions options = test_options(folder.path());
  options.web_folder = pages.path();
  options.credentials.api_key = "s3cret";
  const server::Server server(options);
  const Client client(server.port());
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(client.get("/index.html").status, 200);
  EXPECT_EQ(client.get("/", {{"Host", "evil.example"}}).status, 403);
  for (const char* closed : {"/nothing.html", "/api/v1/jobs", "/sdapi/v1/options", "/v1/models", "/index.html/../x"}) {
    EXPECT_EQ(client.get(closed).status, 401) << closed;
  }
}

TEST(WebPages, AreServedAsTheyAre) {
  const TemporaryFolder folder, pages;
  pages.write("index.html", "<!doctype html>");
  pages.write("assets/app.js", "1;");
  server::ServeOptions options = test_options(folder.path());
  options.web_folder = pages.path();
  const server::Server server(options);
  const Client client(server.port());
  const Response index = client.get("/");
  EXPECT_EQ(index.body, "<!doctype html>");
  EXPECT_EQ(index.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(index.headers.at("content-security-policy"), HasSubstr("default-src 'self'"));
  EXPECT_EQ(client.get("/assets/app.js").headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(client.get("/", {{"If-None-Match", index.headers.at("etag")}}).status, 304);
  EXPECT_EQ(client.get("/assets").status, 404);
}

}  // namespace
}  // namespace easel::testing
