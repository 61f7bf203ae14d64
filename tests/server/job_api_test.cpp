// /api/v1: jobs, gallery, catalogue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/base64.h"
#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/pipeline/pipeline.h"
#include "server/api/openapi.h"
#include "server/api/routes.h"
#include "tests/server/client.h"

namespace easel::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// One server for all tests of the suite; each has jobs of its own.
class JobApi : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    server_ = std::make_unique<server::Server>(test_options(folder_->path()));
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
  }

  const Client client_{server_->port()};

 private:
  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::unique_ptr<server::Server> server_;
};

TEST_F(JobApi, GivesTheBytesOfTheLibrary) {
  Json request = small_request();
  request["batch_size"] = 2;
  request["sampler"] = "euler_ancestral";
  const Json job = client_.await_job(client_.submit(request));
  ASSERT_EQ(job["state"], "done") << job;
  EXPECT_EQ(job["settings"]["sampler"], "euler_ancestral");
  EXPECT_EQ(job["settings"]["cfg_scale"], 7.5);
  EXPECT_EQ(job["model"], "sd1-tiny.ckpt");
  ASSERT_THAT(job["images"], SizeIs(2));

  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = 2});
  const Result expected = pipeline.generate(parse_request(request.dump()));
  for (size_t i = 0; i < 2; ++i) {
    const Response file = client_.get(job["images"][i]["url"]);
    EXPECT_EQ(file.headers.at("content-type"), "image/png");
    EXPECT_EQ(decode_image(bytes_of(file.body), "file").image, expected.images[i].image);
    const std::vector<std::byte> png =
        encode_image(expected.images[i].image, {.parameters = expected.images[i].parameters});
    EXPECT_EQ(file.body, std::string(reinterpret_cast<const char*>(png.data()), png.size()));
    const std::string same = "/api/v1/jobs/" + job["id"].dump() + "/images/" + std::to_string(i);
    EXPECT_EQ(client_.get(same).body, file.body);
  }
}

TEST_F(JobApi, InitialImagesTravelInBase64) {
  Json request = small_request();
  const std::vector<std::byte> file = encode_image(Image(64, 64, {10, 200, 30}));
  request.update({{"task", "img2img"}, {"init_image", to_base64(file)}, {"strength", 0.5}});
  const Json job = client_.await_job(client_.submit(request));
  ASSERT_EQ(job["state"], "done") << job;
  EXPECT_FALSE(job["request"].contains("init_image"));
  EXPECT_FALSE(job["settings"].contains("init_image"));
  EXPECT_EQ(client_.get(job["inputs"]["init_image"]).body,
            std::string(reinterpret_cast<const char*>(file.data()), file.size()));
  EXPECT_EQ(client_.get("/api/v1/jobs/" + job["id"].dump() + "/inputs/mask").status, 404);
  EXPECT_EQ(client_.get("/api/v1/jobs/" + job["id"].dump() + "/inputs/..").status, 404);

  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = 2});
  const Image expected = pipeline.generate(parse_request(request.dump())).images[0].image;
  EXPECT_EQ(decode_image(bytes_of(client_.get(job["images"][0]["url"]).body), "file").image, expected);
}

TEST_F(JobApi, WrongRequestsAreRefusedWithTheReason) {
  const auto message = [&](const std::string& body) {
    const Response response = client_.post_text("/api/v1/jobs", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_EQ(response.json()["error"]["code"], "invalid_request");
    return response.json()["error"]["message"].get<std::string>();
  };
  EXPECT_THAT(message("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(message(R"({"promt": "x"})"), HasSubstr("did you mean \"prompt\""));
  EXPECT_THAT(message(R"({"width": 100})"), HasSubstr("multiple of 64"));
  EXPECT_THAT(message(R"({"steps": 1e9})"), HasSubstr("steps"));
  EXPECT_THAT(message(R"({"prompt": "x", "prompt": "y"})"), HasSubstr("given twice"));
  EXPECT_THAT(message("{\"prompt\": \"\xff\"}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(message(R"({"x": )" + std::string(40, '[') + std::string(40, ']') + "}"), HasSubstr("nested deeper"));
  std::string zeros = "0";
  for (int i = 0; i < 30'000; ++i) zeros += ",0";
  EXPECT_THAT(message(R"({"prompts": [)" + zeros + "]}"), HasSubstr("more than 20000 values"));
  EXPECT_EQ(client_.post("/api/v1/jobs", {{"model", "no-such-model"}}).status, 404);
}

TEST_F(JobApi, ModelsAreChosenByNameOnly) {
  const std::string file = golden_path("models/sd2-tiny.safetensors").string();
  const Response response = client_.post("/api/v1/jobs", {{"model", file}, {"prompt", "x"}});
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.json()["error"]["message"].get<std::string>(), HasSubstr("there is no model"));
  const Response misspelt = client_.post("/api/v1/jobs", {{"model", "sd1-tyni"}, {"prompt", "x"}});
  EXPECT_THAT(misspelt.json()["error"]["message"].get<std::string>(), HasSubstr("did you mean 'sd1-tiny'?"));
  Json request = small_request();
  request["model"] = "SD1-Tiny";
  EXPECT_EQ(client_.await_job(client_.submit(request))["state"], "done");
}

TEST_F(JobApi, AJobThatCannotRunSaysWhy) {
  Json request = small_request();
  request["eta"] = 0.5;
  request["sampler"] = "euler";
  const Json job = client_.await_job(client_.submit(request));
  EXPECT_EQ(job["state"], "failed");
  EXPECT_EQ(job["error"]["code"], "invalid_request");
  EXPECT_THAT(job["error"]["message"].get<std::string>(), HasSubstr("adds no noise"));
}

TEST_F(JobApi, UnknownNamesSuggestTheNearest) {
  const auto refusal = [&](const char* key, const Json& value) {
    Json request = small_request();
    request[key] = value;
    const Response response = client_.post("/api/v1/jobs", request);
    return response.json()["error"]["message"].get<std::string>();
  };
  EXPECT_THAT(refusal("sampler", "eulr"), HasSubstr("did you mean 'euler'?"));
  EXPECT_THAT(refusal("schedule", "karas"), HasSubstr("did you mean 'karras'?"));
  // What is in the folders of adapters may change while a job waits.
  const auto failure = [&](const char* key, const Json& value) {
    Json request = small_request();
    request[key] = value;
    const Json job = client_.await_job(client_.submit(request));
    EXPECT_EQ(job["state"], "failed");
    EXPECT_EQ(job["error"]["code"], "not_found");
    return job["error"]["message"].get<std::string>();
  };
  EXPECT_THAT(failure("loras", Json::array({"three-ink:0.5"})), HasSubstr("did you mean three-inks?"));
  EXPECT_THAT(failure("prompt", "a bird <lora:threeinx:1>"), HasSubstr("did you mean three-inks?"));
  const std::string image = to_base64(encode_image(Image(64, 64)));
  EXPECT_THAT(failure("controls", Json::array({{{"model", "starter-edge"}, {"image", image}}})),
              HasSubstr("did you mean starter-edges?"));
  Json request = small_request();
  request["prompt"] = "a starter-orang cat";
  EXPECT_THAT(client_.await_job(client_.submit(request))["warnings"].dump(), HasSubstr("did you mean starter-orange?"));
}

TEST_F(JobApi, EventsTellAJobFromBeginningToEnd) {
  Json request = small_request();
  request["steps"] = 20;
  const int64_t id = client_.submit(request);
  Connection connection(client_.port());
  connection.send(request_text("GET", "/api/v1/jobs/" + std::to_string(id) + "/events"));
  const std::string text = connection.receive_all();
  EXPECT_THAT(text, HasSubstr("Content-Type: text/event-stream"));
  EXPECT_THAT(text, HasSubstr("event: running\ndata: {"));
  const size_t last = text.rfind("event: ");
  ASSERT_THAT(text.substr(last), StartsWith("event: done\ndata: "));
  const Json job = Json::parse(text.substr(text.find('{', last)));
  EXPECT_EQ(job["id"], id);
  EXPECT_THAT(job["images"], SizeIs(1));

  Connection again(client_.port());  // of an ended job: its end
  again.send(request_text("GET", "/api/v1/jobs/" + std::to_string(id) + "/events"));
  EXPECT_THAT(again.receive_all(), HasSubstr("event: done"));
}

TEST_F(JobApi, ProgressCountsStepsAndEstimatesTheRest) {
  Json request = small_request();
  request["steps"] = 500;
  const int64_t id = client_.submit(request);
  Json progress;
  do {
    const Json job = client_.await_job(id, "running");
    ASSERT_EQ(job["state"], "running");
    progress = job["progress"];
  } while (progress["step"] < 2);
  EXPECT_EQ(progress["stage"], "sampling");
  EXPECT_EQ(progress["steps"], 500);
  EXPECT_GT(progress["fraction"], 0.0);
  EXPECT_LT(progress["fraction"], 1.0);
  EXPECT_GT(progress["seconds_left"], 0.0);
  client_.remove("/api/v1/jobs/" + std::to_string(id));
  EXPECT_EQ(client_.await_job(id)["state"], "cancelled");
}

TEST_F(JobApi, PreviewsAreDrawnForThoseWhoAsk) {
  Json request = small_request();
  request["steps"] = 500;
  const int64_t id = client_.submit(request);
  const std::string path = "/api/v1/jobs/" + std::to_string(id);
  Json progress;
  do {
    progress = client_.await_job(id, "running")["progress"];
  } while (progress["step"] < 5);
  EXPECT_TRUE(progress["preview"].is_null());  // nobody has asked
  do {
    const Json job = client_.get(path + "?previews=true").json();
    ASSERT_EQ(job["state"], "running");
    progress = job["progress"];
  } while (progress["preview"].is_null());
  const Response preview = client_.get(progress["preview"]);
  EXPECT_EQ(preview.status, 200);
  EXPECT_EQ(decode_image(bytes_of(preview.body), "preview").image.size(), (Size{8, 8}));
  EXPECT_THAT(client_.get(path + "?previews=maybe").body, HasSubstr("previews is 'maybe', expected true or false"));
  client_.remove(path);
  EXPECT_EQ(client_.await_job(id)["state"], "cancelled");
  EXPECT_THAT(client_.get(path + "/preview").body, HasSubstr("the job has ended"));
}

TEST_F(JobApi, EventsHavePreviewsForThoseWhoAsk) {
  Json request = small_request();
  request["steps"] = 40;
  const auto events = [&](const std::string& query) {
    const std::string path = "/api/v1/jobs/" + std::to_string(client_.submit(request)) + "/events";
    Connection connection(client_.port());
    connection.send(request_text("GET", path + query));
    return connection.receive_all();
  };
  EXPECT_THAT(events("?previews=true"), HasSubstr("/preview?version=1"));
  EXPECT_THAT(events(""), ::testing::Not(HasSubstr("/preview?version=")));
}

TEST_F(JobApi, CancelledJobsEndWithinAStepAndFreeTheQueue) {
  Json endless = small_request();
  endless["steps"] = 1000;
  endless["batch_count"] = 100;
  const int64_t running = client_.submit(endless), waiting = client_.submit(endless);
  client_.await_job(running, "running");
  EXPECT_EQ(client_.get("/api/v1/jobs/" + std::to_string(waiting)).json()["position"], 1);
  EXPECT_THAT(client_.get("/api/v1/queue").json()["jobs"], SizeIs(2));

  EXPECT_EQ(client_.remove("/api/v1/jobs/" + std::to_string(waiting)).json()["state"], "cancelled");
  const auto start = std::chrono::steady_clock::now();
  client_.remove("/api/v1/jobs/" + std::to_string(running));
  const Json job = client_.await_job(running);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(job["state"], "cancelled");
  EXPECT_EQ(job["error"]["code"], "cancelled");
  EXPECT_EQ(client_.remove("/api/v1/jobs/" + std::to_string(running)).json()["state"], "cancelled");  // again: no harm
  EXPECT_THAT(client_.get("/api/v1/queue").json()["jobs"], IsEmpty());
}

TEST_F(JobApi, ListsComeInPages) {
  std::vector<int64_t> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(client_.submit(small_request(static_cast<uint64_t>(i))));
  for (const int64_t id : ids) client_.await_job(id);
  const Json first = client_.get("/api/v1/jobs?limit=2").json();
  ASSERT_THAT(first["jobs"], SizeIs(2));
  EXPECT_EQ(first["jobs"][0]["id"], ids[2]);
  EXPECT_EQ(first["next"], ids[1]);
  const Json second = client_.get("/api/v1/jobs?limit=1&before=" + first["next"].dump()).json();
  EXPECT_EQ(second["jobs"][0]["id"], ids[0]);
  const Json failed = client_.get("/api/v1/jobs?state=failed").json();
  for (const Json& job : failed["jobs"]) EXPECT_EQ(job["state"], "failed");
  EXPECT_EQ(client_.get("/api/v1/jobs?state=asleep").status, 400);
  EXPECT_EQ(client_.get("/api/v1/jobs?limit=0").status, 400);
  EXPECT_EQ(client_.get("/api/v1/images?limit=501").status, 400);
}

TEST_F(JobApi, GalleryShowsAndDeletesImages) {
  const Json job = client_.await_job(client_.submit(small_request(77)));
  const Json image = client_.get("/api/v1/images?limit=1").json()["images"][0];
  EXPECT_EQ(image["job"], job["id"]);
  EXPECT_EQ(image["seed"], 77);
  EXPECT_EQ(image["width"], 64);
  EXPECT_THAT(image["parameters"].get<std::string>(), HasSubstr("Seed: 77"));
  const std::string path = "/api/v1/images/" + image["id"].dump();
  EXPECT_EQ(client_.get(path).json(), image);
  EXPECT_EQ(client_.remove(path).status, 204);
  EXPECT_EQ(client_.get(path).status, 404);
  EXPECT_EQ(client_.get(path + "/file").status, 404);
  EXPECT_EQ(client_.remove(path).status, 404);
}

TEST_F(JobApi, CatalogueTellsWhatThereIs) {
  const Json models = client_.get("/api/v1/models").json()["models"];
  EXPECT_EQ(models[0]["name"], "sd1-tiny");
  EXPECT_EQ(models[0]["default"], true);
  EXPECT_THAT(client_.get("/api/v1/samplers").body, HasSubstr("\"DPM++ 2M\""));
  EXPECT_THAT(client_.get("/api/v1/schedules").body, HasSubstr("\"karras\""));
  EXPECT_EQ(client_.post("/api/v1/tokens", {{"prompt", "a red bird"}}).json(), (Json{{"tokens", 3}, {"limit", 75}}));
  EXPECT_EQ(client_.post("/api/v1/tokens", {{"text", "a"}}).json()["error"]["field"], "prompt");
  EXPECT_EQ(client_.get("/api/v1/health").json()["status"], "ok");
}

TEST_F(JobApi, InfoReadsTheSettingsOfAnImage) {
  const Json job = client_.await_job(client_.submit(small_request(3)));
  const std::string file = client_.get(job["images"][0]["url"]).body;
  const Json info = client_.post_text("/api/v1/info", file).json();
  EXPECT_EQ(info["format"], "PNG");
  EXPECT_EQ(info["width"], 64);
  EXPECT_EQ(info["settings"]["prompt"], "a red bird");
  EXPECT_EQ(info["settings"]["fields"]["Seed"], "3");
  EXPECT_EQ(client_.post_text("/api/v1/info", "GIF89a").json()["error"]["code"], "bad_image");
  EXPECT_EQ(client_.post_text("/api/v1/info", "").status, 400);
}

TEST_F(JobApi, MetricsCountJobs) {
  const auto done = [&] {
    const std::string text = client_.get("/api/v1/metrics").body;
    const std::string name = "\neasel_jobs_done_total ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  };
  const int before = done();
  client_.await_job(client_.submit(small_request()));
  EXPECT_EQ(done(), before + 1);
}

// Every route is described, and everything described is there.
TEST(OpenApi, AgreesWithTheRoutes) {
  const Json document = Json::parse(server::openapi_document());
  std::vector<std::string> described, present;
  for (const auto& [path, operations] : document.at("paths").items()) {
    for (const auto& [method, operation] : operations.items()) described.push_back(method + " " + path);
  }
  TemporaryFolder folder;
  server::JobStore store(folder.path());
  server::JobQueue queue(store, 1);
  server::Workers workers(queue, store, {});
  const server::ModelCatalog models(golden_path("models/sd1-tiny.ckpt"));
  const PromptRuler prompts;
  const server::Services services{models, store, queue, workers, prompts};
  server::Router router;
  server::add_job_routes(router, services);
  server::add_gallery_routes(router, services);
  server::add_catalogue_routes(router, services);
  server::add_device_routes(router, services);
  server::add_status_routes(router, services, [] { return server::HttpCounts{}; });
  for (const server::Route& route : router.routes()) {
    present.push_back(lower_ascii(route.method) + " " + route.pattern);
  }
  EXPECT_THAT(described, ::testing::UnorderedElementsAreArray(present));
}

// The document's list of a request's fields is the one that parse_request() knows.
TEST(OpenApi, KnowsEveryFieldOfARequest) {
  const Json schemas = Json::parse(server::openapi_document()).at("components").at("schemas");
  std::vector<std::string> described;
  for (const auto& [name, schema] : schemas.at("Request").at("properties").items()) {
    if (name != "model" && name != "vae") described.push_back("\"" + name + "\"");
  }
  try {
    parse_request(R"({"zzzzzzzzzzzzzzzz": 1})");
    FAIL() << "an unknown field was taken";
  } catch (const Error& error) {
    const std::string message = error.what();
    const std::string known = message.substr(message.find("known are ") + 10);
    EXPECT_EQ(split(known, ',').size(), described.size()) << known;
    for (const std::string& name : described) {
      EXPECT_THAT(known, HasSubstr(name.substr(1, name.size() - 2)));
    }
  }
}

}  // namespace
}  // namespace easel::testing
