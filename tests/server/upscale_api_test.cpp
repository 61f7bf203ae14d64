// /api/v1: images made larger, and the models, upscalers and VAEs there are for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "easel/base/base64.h"
#include "easel/base/error.h"
#include "easel/image/codec.h"
#include "easel/pipeline/upscaler.h"
#include "server/jobs/job_store.h"
#include "tests/server/client.h"
#include "tests/server/models_folder.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Image two_colours() {
  Image image(24, 16, {10, 200, 30});
  for (int64_t y = 4; y < 12; ++y) image.pixel(y, y)[0] = 250;
  return image;
}

Json upscale_request(const std::string& upscaler, const Json& changes = Json::object()) {
  Json request{{"task", "upscale"}, {"upscaler", upscaler}, {"init_image", to_base64(encode_image(two_colours()))}};
  request.update(changes);
  return request;
}

class UpscaleApi : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    models_ = std::make_unique<ModelsFolder>(std::initializer_list<const char*>{
        "upscale/real-esrgan-x4.pth", "models/x4-upscaler-tiny.safetensors", "models/sd2-depth-tiny.safetensors"});
    std::ofstream(*models_ / "damaged.safetensors") << "no model";
    folder_ = std::make_unique<TemporaryFolder>();
    server_ = std::make_unique<server::Server>(test_options(folder_->path()));
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
    models_.reset();
  }

  // The only image of a job that ends well, as its file.
  std::string file_of(const Json& job) const {
    EXPECT_EQ(job["state"], "done") << job;
    EXPECT_THAT(job["images"], SizeIs(1));
    return client_.get(job["images"][0]["url"]).body;
  }
  std::string refusal(const Json& request) const {
    const Response response = client_.post("/api/v1/jobs", request);
    EXPECT_EQ(response.status, 400) << response.body;
    return response.json()["error"]["message"];
  }

  const Client client_{server_->port()};

 private:
  static inline std::unique_ptr<ModelsFolder> models_;
  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::unique_ptr<server::Server> server_;
};

std::string expected_file(Upscaler& upscaler, UpscaleRequest request) {
  request.image = two_colours();
  const UpscaleResult result = upscaler.upscale(request);
  return text_of(encode_image(result.image, {.parameters = result.parameters}));
}

TEST_F(UpscaleApi, ListsWhatThereIs) {
  const Json upscalers = client_.get("/api/v1/upscalers").json()["upscalers"];
  ASSERT_THAT(upscalers, SizeIs(3));
  EXPECT_EQ(
      upscalers[0],
      (Json{{"name", "lanczos"}, {"kind", "lanczos"}, {"scale", nullptr}, {"file", nullptr}, {"bytes", nullptr}}));
  EXPECT_EQ(upscalers[1]["name"], "real-esrgan-x4");
  EXPECT_EQ(upscalers[1]["kind"], "network");
  EXPECT_EQ(upscalers[1]["scale"], 4);
  EXPECT_EQ(upscalers[1]["file"], "real-esrgan-x4.pth");
  EXPECT_EQ(upscalers[2]["kind"], "diffusion");
  EXPECT_EQ(upscalers[2]["scale"], 4);
}

TEST_F(UpscaleApi, ModelsAreThoseThatDraw) {
  const Json models = client_.get("/api/v1/models").json()["models"];
  ASSERT_GE(models.size(), 2u);
  EXPECT_EQ(models[0]["name"], "sd1-tiny");
  EXPECT_EQ(models[0]["tasks"], (Json{"txt2img", "img2img", "inpaint"}));
  std::vector<std::string> names;
  for (const Json& model : models) {
    names.push_back(model["name"]);
    if (names.back() == "sd2-depth-tiny") {
      EXPECT_EQ(model["tasks"], Json{"depth2img"});
    }
  }
  EXPECT_THAT(names, ::testing::Contains("sd2-depth-tiny"));
  for (const char* other : {"real-esrgan-x4", "x4-upscaler-tiny", "damaged"}) {
    EXPECT_THAT(names, ::testing::Not(::testing::Contains(other)));
  }
}

TEST_F(UpscaleApi, LanczosGivesTheBytesOfTheLibrary) {
  Upscaler lanczos;
  const Json job = client_.await_job(client_.submit(upscale_request("lanczos", {{"factor", 3}})));
  EXPECT_EQ(file_of(job), expected_file(lanczos, {.factor = 3}));
  EXPECT_EQ(job["request"]["upscaler"], "lanczos");
  EXPECT_EQ(job["settings"]["factor"], 3);
  EXPECT_EQ(job["settings"]["task"], "upscale");
  EXPECT_FALSE(job["request"].contains("init_image"));
  EXPECT_EQ(client_.get(job["inputs"]["init_image"]).body, text_of(encode_image(two_colours())));
  EXPECT_EQ(client_.get("/api/v1/images?limit=1").json()["images"][0]["width"], 72);
  Json plain = upscale_request("lanczos");
  plain.erase("upscaler");  // the default
  EXPECT_EQ(client_.await_job(client_.submit(plain))["images"][0]["width"], 48);
}

TEST_F(UpscaleApi, ANetworkGivesTheBytesOfTheLibrary) {
  Upscaler network({.checkpoint = golden_path("upscale/real-esrgan-x4.pth"), .threads = 2});
  const Json job = client_.await_job(client_.submit(upscale_request("Real-ESRGAN-x4", {{"factor", 2.5}})));
  EXPECT_EQ(file_of(job), expected_file(network, {.factor = 2.5}));
  EXPECT_EQ(job["model"], "real-esrgan-x4.pth");
  EXPECT_EQ(job["settings"]["upscaler"], "real-esrgan-x4");
}

TEST_F(UpscaleApi, DiffusionGivesTheBytesOfTheLibrary) {
  Upscaler diffusion({.checkpoint = golden_path("models/x4-upscaler-tiny.safetensors"), .threads = 2});
  const Json job = client_.await_job(client_.submit(upscale_request(
      "x4-upscaler-tiny", {{"prompt", "a red bird"}, {"steps", 2}, {"seed", 7}, {"noise_level", 30}, {"tile", 32}})));
  UpscaleRequest request{.tile_px = 32, .prompt = "a red bird", .noise_level = 30, .steps = 2, .seed = 7};
  EXPECT_EQ(file_of(job), expected_file(diffusion, request));
  EXPECT_EQ(job["images"][0]["seed"], 7);
  EXPECT_EQ(job["images"][0]["prompt"], "a red bird");
  EXPECT_EQ(job["settings"]["cfg_scale"], 9);
  EXPECT_EQ(client_.await_job(client_.submit(small_request()))["state"], "done");  // and back to the model that draws
}

TEST_F(UpscaleApi, NetworksGoBetweenTwoPasses) {
  Json request = small_request();
  request.update({{"hires_scale", 2}, {"hires_upscaler", "Real-ESRGAN-x4"}});
  const Json job = client_.await_job(client_.submit(request));
  ASSERT_EQ(job["state"], "done") << job;
  EXPECT_EQ(job["images"][0]["width"], 128);
  EXPECT_EQ(job["request"]["hires_upscaler"], "real-esrgan-x4");
  request["hires_upscaler"] = "x4-upscaler-tiny";
  EXPECT_THAT(refusal(request), HasSubstr("x4-upscaler-tiny upscales by diffusion"));
  request["hires_upscaler"] = "../real-esrgan-x4.pth";
  EXPECT_EQ(client_.post("/api/v1/jobs", request).status, 404);
}

TEST_F(UpscaleApi, WrongRequestsAreRefusedWithTheReason) {
  EXPECT_THAT(refusal(upscale_request("lanczos", {{"prompt", "x"}})), HasSubstr("Lanczos has no use for it"));
  EXPECT_THAT(refusal(upscale_request("real-esrgan-x4", {{"factor", 5}})), HasSubstr("expected 1 to 4"));
  EXPECT_THAT(refusal(upscale_request("x4-upscaler-tiny", {{"steps", 0}})), HasSubstr("steps"));
  EXPECT_THAT(refusal(upscale_request("lanczos", {{"factr", 2}})), HasSubstr("did you mean \"factor\""));
  EXPECT_THAT(refusal(upscale_request("lanczos", {{"model", "sd1-tiny"}})), HasSubstr("unknown key \"model\""));
  EXPECT_THAT(refusal(upscale_request("lanczos", {{"factor", "2"}})), HasSubstr("expected a number"));
  EXPECT_THAT(refusal({{"task", "upscale"}}), HasSubstr("there is no image"));
  EXPECT_THAT(client_.post("/api/v1/jobs", upscale_request("lanczos", {{"init_image", "AAAA"}})).body,
              HasSubstr("bad_image"));
  const Response unknown = client_.post("/api/v1/jobs", upscale_request("real-esrgan-x3"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("did you mean 'real-esrgan-x4'?"));
  EXPECT_EQ(client_.post("/api/v1/jobs", upscale_request("damaged")).status, 404);
}

TEST_F(UpscaleApi, ADiffusionUpscaleTellsItsTilesAndIsCancelled) {
  Json request = upscale_request("x4-upscaler-tiny", {{"steps", 1000}, {"tile", 32}});
  request["init_image"] = to_base64(encode_image(Image(48, 48)));
  const int64_t id = client_.submit(request);
  Json progress;
  do {
    const Json job = client_.get("/api/v1/jobs/" + std::to_string(id) + "?previews=true").json();
    ASSERT_THAT(job["state"], ::testing::AnyOf("queued", "running"));
    progress = job["progress"];
  } while (progress.is_null() || progress["step"] < 1 || progress["tile"] < 1 || progress["preview"].is_null());
  EXPECT_EQ(progress["stage"], "sampling");
  EXPECT_EQ(progress["tiles"], 4);
  EXPECT_GT(progress["fraction"], 0.0);
  EXPECT_GT(progress["seconds_left"], 0.0);
  const std::string preview = client_.get(progress["preview"]).body;  // of all tiles, a pixel for each latent position
  EXPECT_EQ(decode_image(std::as_bytes(std::span(preview)), "preview").image.size(), (Size{48, 48}));
  client_.remove("/api/v1/jobs/" + std::to_string(id));
  EXPECT_EQ(client_.await_job(id)["state"], "cancelled");
}

TEST(UpscaleJob, GoesOnAfterARestart) {
  const TemporaryFolder folder;
  UpscaleRequest request{.image = two_colours(), .factor = 2};
  {
    server::JobStore store(folder.path());
    EXPECT_THAT(store.add({.request = request}).inputs, ElementsAre("init_image"));
  }
  server::JobStore store(folder.path());
  const std::vector<server::Job> waiting = store.recover();
  ASSERT_THAT(waiting, SizeIs(1));
  EXPECT_EQ(to_json(std::get<UpscaleRequest>(store.load_request(waiting[0]))), to_json(request));
}

}  // namespace
}  // namespace easel::testing
