// Many clients at once, and more jobs than fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/server/client.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

TEST(Load, StatusIsQuickWhileManyClientsWatchAJob) {
  const TemporaryFolder folder;
  const server::Server server(test_options(folder.path()));
  const Client client(server.port());
  Json request = small_request();
  request["steps"] = 1000;
  const int64_t id = client.submit(request);
  client.await_job(id, "running");

  const std::string target = "/api/v1/jobs/" + std::to_string(id);
  std::vector<Connection> watchers;
  for (int i = 0; i < 60; ++i) {
    watchers.emplace_back(client.port());
    watchers.back().send(request_text("GET", target + "/events"));
  }
  std::vector<std::chrono::duration<double>> times;
  Connection connection(client.port());
  for (int i = 0; i < 200; ++i) {
    const auto start = std::chrono::steady_clock::now();
    connection.send(request_text("GET", target));
    ASSERT_EQ(connection.receive().json()["state"], "running");
    times.push_back(std::chrono::steady_clock::now() - start);
  }
  std::sort(times.begin(), times.end());
  RecordProperty("p50_us", static_cast<int>(times[100].count() * 1e6));
  RecordProperty("p99_us", static_cast<int>(times[198].count() * 1e6));
  client.remove(target);
  for (Connection& watcher : watchers) EXPECT_THAT(watcher.receive_all(), HasSubstr("event: cancelled"));
}

TEST(Load, NothingIsLostWhenManySubmitAtOnce) {
  const TemporaryFolder folder;
  const server::Server server(test_options(folder.path()));
  const Client client(server.port());
  Json request = small_request();
  request["steps"] = 1;
  constexpr int kClients = 50;
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      Json own = request;
      own["seed"] = i;
      const Json job = client.await_job(client.submit(own));
      if (job["state"] == "done" && job["images"].at(0)["seed"] == i) ++done;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kClients);
}

TEST(Load, AFullQueueAsksForPatience) {
  const TemporaryFolder folder;
  server::ServeOptions options = test_options(folder.path());
  options.max_waiting_jobs = 2;
  const server::Server server(options);
  const Client client(server.port());
  Json request = small_request();
  request["steps"] = 1000;
  client.await_job(client.submit(request), "running");
  client.submit(request);
  client.submit(request);
  const Response refused = client.post("/api/v1/jobs", request);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("retry-after"), "10");
  EXPECT_EQ(refused.json()["error"]["code"], "queue_full");
  EXPECT_EQ(client.post("/sdapi/v1/txt2img", {{"prompt", "x"}}).status, 429);
  const Response openai = client.post("/v1/images/generations", {{"prompt", "x"}});
  EXPECT_EQ(openai.status, 429);
  EXPECT_EQ(openai.json()["error"]["type"], "rate_limit_error");
}

TEST(Load, AnIdleModelLeavesMemory) {
  const TemporaryFolder folder;
  server::ServeOptions options = test_options(folder.path());
  options.unload_after = std::chrono::milliseconds(1);
  const server::Server server(options);
  const Client client(server.port());
  client.await_job(client.submit(small_request()));
  const auto is_loaded = [&] { return client.get("/api/v1/models").json()["models"][0]["loaded"].get<bool>(); };
  for (int i = 0; i < 500 && is_loaded(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(is_loaded());
  EXPECT_EQ(client.await_job(client.submit(small_request()))["state"], "done");  // it comes back
}

}  // namespace
}  // namespace easel::testing
