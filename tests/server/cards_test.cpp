// A server that draws on several cards (plugins/card.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <thread>

#include "easel/base/base64.h"
#include "easel/base/error.h"
#include "easel/image/codec.h"
#include "easel/pipeline/upscaler.h"
#include "tests/cli/easel_process.h"
#include "tests/server/client.h"
#include "tests/server/models_folder.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

Json endless_request() {
  Json request = small_request();
  request["steps"] = 1000;
  request["batch_count"] = 1000;
  return request;
}

class Cards : public ::testing::Test {
 protected:
  Cards() {
    ::setenv("EASEL_PLUGINS", EASEL_TEST_PLUGINS "/card", 1);
    ::setenv("EASEL_TEST_CARDS", "3", 1);
    ::setenv("EASEL_TEST_CARD_FAULTS", faults_.path().c_str(), 1);
  }
  ~Cards() override {
    server_.reset();
    for (const char* name : {"EASEL_PLUGINS", "EASEL_TEST_CARDS", "EASEL_TEST_CARD_FAULTS"}) ::unsetenv(name);
  }

  server::ServeOptions options(const std::string& devices = "cuda:0,cuda:1") const {
    server::ServeOptions options = test_options(folder_ / "data");
    options.pipeline.device = devices;
    return options;
  }
  Client start(const server::ServeOptions& options) {
    server_.reset();
    server_ = std::make_unique<server::Server>(options);
    return Client(server_->port());
  }
  Client start() { return start(options()); }
  void fault(const std::string& name) const { std::ofstream(faults_ / name); }  // "cuda:1.lost"

  static std::string path_of(int64_t id) { return "/api/v1/jobs/" + std::to_string(id); }
  static Json device(const Client& client, const std::string& name) {
    const Json all = client.get("/api/v1/devices").json();
    for (const Json& device : all["devices"]) {
      if (device["name"] == name) return device;
    }
    ADD_FAILURE() << "there is no " << name;
    return {};
  }
  static int metric(const Client& client, const std::string& name) {
    const std::string text = client.get("/api/v1/metrics").body;
    return std::stoi(text.substr(text.find("\n" + name + " ") + name.size() + 2));
  }
  static void await_idle(const Client& client, int devices) {
    while (metric(client, "easel_devices_idle") < devices) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  // The two that a busy server draws, the one on cuda:0 first.
  static std::array<int64_t, 2> occupy(const Client& client) {
    std::array<int64_t, 2> ids = {client.submit(endless_request()), client.submit(endless_request())};
    const std::string of_first = client.await_job(ids[0], "running")["device"];
    EXPECT_THAT((std::vector<std::string>{of_first, client.await_job(ids[1], "running")["device"]}),
                UnorderedElementsAre("cuda:0", "cuda:1"));
    if (of_first != "cuda:0") std::swap(ids[0], ids[1]);
    return ids;
  }

  TemporaryFolder folder_, faults_;
  std::unique_ptr<server::Server> server_;
};

TEST_F(Cards, TwoJobsRunAtOnce) {
  const Client client = start();
  EXPECT_THAT(server_->devices(), ::testing::ElementsAre("cuda:0", "cuda:1"));
  const auto [first, second] = occupy(client);
  const int64_t third = client.submit(small_request());
  const Json queued = client.get("/api/v1/queue").json()["jobs"];
  ASSERT_THAT(queued, SizeIs(3));
  EXPECT_EQ(queued[0]["state"], "running");
  EXPECT_EQ(queued[1]["state"], "running");
  EXPECT_EQ(queued[2]["id"], third);
  EXPECT_EQ(queued[2]["position"], 2);
  EXPECT_TRUE(queued[2]["device"].is_null());
  EXPECT_EQ(metric(client, "easel_jobs_running"), 2);
  EXPECT_EQ(metric(client, "easel_devices"), 2);
  EXPECT_EQ(metric(client, "easel_devices_idle"), 0);
  for (const auto& [name, id] : {std::pair{"cuda:0", first}, std::pair{"cuda:1", second}}) {
    const Json busy = device(client, name);
    EXPECT_EQ(busy["state"], "drawing");
    EXPECT_EQ(busy["job"], id);
    EXPECT_EQ(busy["title"], "Test card");
    EXPECT_EQ(busy["total_bytes"], 8'000'000'000);
    EXPECT_TRUE(busy["error"].is_null());
  }

  client.remove(path_of(second));
  const Json done = client.await_job(third);  // while the first one goes on
  EXPECT_EQ(done["state"], "done") << done;
  EXPECT_EQ(done["device"], "cuda:1");
  EXPECT_EQ(client.await_job(second)["state"], "cancelled");
  EXPECT_EQ(client.get(path_of(first)).json()["state"], "running");
  EXPECT_EQ(device(client, "cuda:1")["model"], "sd1-tiny");
  EXPECT_EQ(device(client, "cuda:1")["jobs_done"], 1);
  client.remove(path_of(first));
  EXPECT_EQ(client.await_job(first)["state"], "cancelled");
}

TEST_F(Cards, EachGivesTheBytesOfOne) {
  const Client client = start();
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .device = "cuda:2", .threads = 2});
  Json request = small_request();
  request["batch_size"] = 2;
  request["sampler"] = "euler_ancestral";
  const Result expected = pipeline.generate(parse_request(request.dump()));
  const auto busy = occupy(client);
  // While the other card draws something else.
  for (size_t card = 0; card < 2; ++card) {
    const int64_t id = client.submit(request);
    client.remove(path_of(busy.at(card)));
    const Json job = client.await_job(id);
    ASSERT_EQ(job["state"], "done") << job;
    EXPECT_EQ(job["device"], "cuda:" + std::to_string(card));
    ASSERT_THAT(job["images"], SizeIs(2));
    for (size_t i = 0; i < 2; ++i) {
      const std::vector<std::byte> png =
          encode_image(expected.images[i].image, {.parameters = expected.images[i].parameters});
      EXPECT_EQ(client.get(job["images"][i]["url"]).body,
                std::string(reinterpret_cast<const char*>(png.data()), png.size()));
    }
    client.await_job(client.submit(endless_request()), "running");
  }
}

TEST_F(Cards, ACardKeepsItsModelWhileAnotherIsFree) {
  const ModelsFolder models{"models/sd2-tiny.safetensors"};
  const Client client = start();
  Json other = small_request();
  other["model"] = "sd2-tiny";
  for (int round = 0; round < 2; ++round) {
    await_idle(client, 2);
    EXPECT_EQ(client.await_job(client.submit(small_request()))["device"], "cuda:0");
    await_idle(client, 2);
    EXPECT_EQ(client.await_job(client.submit(other))["device"], "cuda:1");
  }
  EXPECT_EQ(metric(client, "easel_model_loaded"), 2);
  client.post("/sdapi/v1/unload-checkpoint", Json::object());
  const auto is_loaded = [&] { return metric(client, "easel_model_loaded") > 0; };
  for (int i = 0; i < 1000 && is_loaded(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(is_loaded());
}

TEST_F(Cards, EventsAndPreviewsAreOfEachJob) {
  const Client client = start();
  const auto ids = occupy(client);
  for (const int64_t id : ids) {
    Json progress;
    do {
      progress = client.get(path_of(id) + "?previews=true").json()["progress"];
      ASSERT_FALSE(progress.is_null());
    } while (progress["preview"].is_null());
    EXPECT_EQ(client.get(progress["preview"]).status, 200);
  }
  Connection connection(client.port());
  connection.send(request_text("GET", path_of(ids[1]) + "/events"));
  client.remove(path_of(ids[1]));
  EXPECT_THAT(connection.receive_all(), AllOf(HasSubstr("\"device\":\"cuda:1\""), HasSubstr("event: cancelled")));
  EXPECT_EQ(client.get(path_of(ids[0])).json()["state"], "running");
}

TEST_F(Cards, ALostCardFailsItsJobAlone) {
  const Client client = start();
  const auto [kept, hit] = occupy(client);
  const int64_t waiting = client.submit(small_request());
  fault("cuda:1.lost");
  const Json failed = client.await_job(hit);
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_EQ(failed["device"], "cuda:1");
  EXPECT_EQ(failed["error"]["code"], "device_failure");
  EXPECT_THAT(failed["error"]["message"].get<std::string>(),
              AllOf(HasSubstr("cuda:1 does not answer"), HasSubstr("cuda:1 is lost"), HasSubstr("started anew")));
  const Json lost = device(client, "cuda:1");
  EXPECT_EQ(lost["state"], "lost");
  EXPECT_THAT(lost["error"].get<std::string>(), HasSubstr("does not answer"));
  EXPECT_EQ(metric(client, "easel_devices_lost"), 1);
  EXPECT_EQ(client.get(path_of(kept)).json()["state"], "running");
  EXPECT_EQ(client.get(path_of(waiting)).json()["state"], "queued");
  client.remove(path_of(kept));
  EXPECT_EQ(client.await_job(waiting)["state"], "done");
  const Json later = client.await_job(client.submit(small_request()));
  EXPECT_EQ(later["state"], "done");
  EXPECT_EQ(later["device"], "cuda:0");
  EXPECT_EQ(client.get("/api/v1/health").json()["status"], "ok");
}

TEST_F(Cards, JobsOutliveTheLastCard) {
  Client client = start();
  const auto [first, second] = occupy(client);
  const int64_t waiting = client.submit(small_request());
  Connection awaited(client.port());
  awaited.send(request_text("POST", "/sdapi/v1/txt2img", small_request().dump()));
  while (client.get("/api/v1/queue").json()["jobs"].size() < 4)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  fault("cuda:0.lost");
  fault("cuda:1.lost");
  EXPECT_EQ(client.await_job(first)["state"], "failed");
  EXPECT_EQ(client.await_job(second)["state"], "failed");
  const Response answer = awaited.receive();
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("no device is left to draw with"));
  EXPECT_EQ(client.get(path_of(waiting)).json()["state"], "queued");
  EXPECT_EQ(client.get("/api/v1/health").status, 503);
  EXPECT_EQ(client.get("/api/v1/health").json()["status"], "no device");
  const Response refused = client.post("/api/v1/jobs", small_request());
  EXPECT_EQ(refused.status, 500);
  EXPECT_EQ(refused.json()["error"]["code"], "device_failure");

  client = start(options("cuda:2"));
  EXPECT_EQ(client.await_job(waiting)["state"], "done");
}

TEST_F(Cards, AFailureThatPassesCostsOneJob) {
  const Client client = start();
  const auto [kept, hit] = occupy(client);
  // Past the step that is recorded (CUDA graphs): what fails there is done again without.
  while (client.get(path_of(hit)).json()["progress"]["step"] < 4)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  fault("cuda:1.once");
  const Json failed = client.await_job(hit);
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_THAT(failed["error"]["message"].get<std::string>(),
              AllOf(HasSubstr("fails this once"), Not(HasSubstr("lost"))));
  const Json next = client.await_job(client.submit(small_request()));
  EXPECT_EQ(next["state"], "done");
  EXPECT_EQ(next["device"], "cuda:1");
  EXPECT_EQ(device(client, "cuda:1")["jobs_failed"], 1);
}

TEST_F(Cards, StoppingEndsWhatAllDraw) {
  const auto ids = occupy(start());
  const Client client = start(options("cuda:2"));
  for (size_t card = 0; card < 2; ++card) {
    const Json job = client.await_job(ids[card]);
    EXPECT_EQ(job["state"], "interrupted");
    EXPECT_EQ(job["device"], "cuda:" + std::to_string(card));
  }
}

TEST_F(Cards, EachHasTheMemoryLimitForItself) {
  server::ServeOptions limited = options();
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .device = "cuda:2", .threads = 2});
  const uint64_t planned = pipeline.generate(parse_request(small_request().dump())).planned_bytes;
  limited.pipeline.memory_limit_bytes = planned + planned / 2;  // of one job, not of two
  occupy(start(limited));
  limited.pipeline.memory_limit_bytes = 1'000'000;
  const Client client = start(limited);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(client.await_job(client.submit(small_request()))["error"]["code"], "out_of_memory");
}

TEST_F(Cards, A1111IsToldOfItsOwnJob) {
  const Client client = start();
  const int64_t other = client.submit(endless_request());
  client.await_job(other, "running");
  Json request = endless_request();
  request.erase("batch_count");
  request["n_iter"] = 2;
  request["force_task_id"] = "task(x)";
  Connection drawing(client.port());
  drawing.send(request_text("POST", "/sdapi/v1/txt2img", request.dump()));
  const auto progress = [&] { return client.get("/sdapi/v1/progress?skip_current_image=true").json(); };
  while (progress()["state"]["job"] != "task(x)" || progress()["state"]["sampling_step"] == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(progress()["state"]["device"], "cuda:1");
  client.post("/sdapi/v1/skip", Json::object());
  while (progress()["state"]["job_no"] != 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  client.post("/sdapi/v1/interrupt", Json::object());
  EXPECT_EQ(drawing.receive().status, 200);
  EXPECT_EQ(client.get(path_of(other)).json()["state"], "running");

  const Json memory = client.get("/sdapi/v1/memory").json();
  EXPECT_EQ(memory["cuda"]["system"]["total"], 16'000'000'000);
  ASSERT_THAT(memory["cuda"]["devices"], SizeIs(2));
  EXPECT_EQ(memory["cuda"]["devices"][1]["device"], "cuda:1");
  EXPECT_GT(memory["ram"]["total"], 0);
}

TEST_F(Cards, NetworksEnlargeInBf16) {
  const ModelsFolder models{"upscale/real-esrgan-x4.pth"};
  Image image(24, 16, {10, 200, 30});
  for (int64_t y = 4; y < 12; ++y) image.pixel(y, y)[0] = 250;
  server::ServeOptions reduced = options("cuda:0");
  reduced.pipeline.precision = Precision::bf16;
  const Client client = start(reduced);
  const auto enlarged = [&](const std::string& upscaler) {
    const Json job = client.await_job(
        client.submit({{"task", "upscale"}, {"upscaler", upscaler}, {"init_image", to_base64(encode_image(image))}}));
    EXPECT_EQ(job["state"], "done") << job;
    return job;
  };
  const auto expected = [&](Precision precision) {
    Upscaler network({.checkpoint = golden_path("upscale/real-esrgan-x4.pth"),
                      .device = "cuda:1",
                      .threads = 2,
                      .precision = precision});
    UpscaleRequest request;
    request.image = image;
    return network.upscale(request).image;
  };
  const Json job = enlarged("real-esrgan-x4");
  EXPECT_EQ(job["device"], "cuda:0");
  const std::string file = client.get(job["images"][0]["url"]).body;
  const Image made = decode_image(std::as_bytes(std::span(file)), "file").image;
  EXPECT_EQ(made, expected(Precision::bf16));
  EXPECT_NE(made, expected(Precision::full));
  EXPECT_EQ(enlarged("lanczos")["device"], "cpu");
}

TEST_F(Cards, DevicesAreCheckedAtTheStart) {
  const auto refusal = [&](const std::string& devices) -> std::string {
    try {
      start(options(devices));
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(refusal("cuda:0,cuda:3"), HasSubstr("cuda:3 (Old card) cannot be used"));
  EXPECT_THAT(refusal("cuda:0,cuda:0"), HasSubstr("twice"));
  EXPECT_THAT(refusal("cpu,cuda:0"), HasSubstr("only cards work side by side"));
  start(options("auto"));
  EXPECT_THAT(server_->devices(), ::testing::ElementsAre("cuda:0"));
  server_.reset();

  const Finished serve = run_easel({"serve", "--device", "cuda:0,cuda:5", "--data-dir", (folder_ / "d").string()});
  EXPECT_EQ(serve.status, 9);
  EXPECT_THAT(serve.err, HasSubstr("there is no device cuda:5"));
  const Finished draw = run_easel({"txt2img", "a bird", "--device", "cuda:0,cuda:1", "--outdir", folder_.path()});
  EXPECT_EQ(draw.status, 2);
  EXPECT_THAT(draw.err, HasSubstr("easel serve --device cuda:0,cuda:1"));
}

}  // namespace
}  // namespace easel::testing
