// /sdapi/v1 with a models folder: upscalers, VAEs, depth models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "easel/base/base64.h"
#include "easel/image/codec.h"
#include "easel/image/fit.h"
#include "easel/pipeline/upscaler.h"
#include "tests/server/client.h"
#include "tests/server/models_folder.h"
#include "tests/support/checkpoint_writer.h"

namespace easel::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Image image_from(const std::string& text) { return decode_image(*from_base64(text), "image").image; }

Image two_colours() {
  Image image(10, 6, {9, 8, 7});
  image.pixel(3, 3)[1] = 240;
  return image;
}

Image upscaled(double factor) {
  UpscaleRequest request;
  request.image = two_colours();
  request.factor = factor;
  Upscaler network({.checkpoint = golden_path("upscale/real-esrgan-x4.pth"), .threads = 2});
  return network.upscale(request).image;
}

class A1111Models : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    models_ = std::make_unique<ModelsFolder>(
        std::initializer_list<const char*>{"upscale/real-esrgan-x4.pth", "models/vae-bf16.safetensors"});
    folder_ = std::make_unique<TemporaryFolder>();
    models_->add(assemble_sd2_depth_tiny(folder_->path()), "depth.safetensors");
    server_ = std::make_unique<server::Server>(test_options(folder_->path()));
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
    models_.reset();
  }

  static std::filesystem::path models_path(const std::string& name) { return *models_ / name; }

  Response enlarge(const Json& changes) const {
    Json body{{"image", image_}, {"upscaler_1", "real-esrgan-x4"}, {"upscaling_resize", 2}};
    body.update(changes);
    return client_.post("/sdapi/v1/extra-single-image", body);
  }
  std::vector<std::string> names(const char* list, const char* key) const {
    std::vector<std::string> out;
    for (const Json& entry : client_.get(std::string("/sdapi/v1/") + list).json()) out.push_back(entry[key]);
    return out;
  }

  const Client client_{server_->port()};
  const std::string image_ = to_base64(encode_image(two_colours()));

 private:
  static inline std::unique_ptr<ModelsFolder> models_;
  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::unique_ptr<server::Server> server_;
};

TEST_F(A1111Models, ListsNameThem) {
  EXPECT_EQ(names("upscalers", "name"), (std::vector<std::string>{"None", "Lanczos", "Nearest", "real-esrgan-x4"}));
  const Json network = client_.get("/sdapi/v1/realesrgan-models").json().at(0);
  EXPECT_EQ(network["name"], "real-esrgan-x4");
  EXPECT_EQ(network["scale"], 4);
  EXPECT_THAT(names("sd-vae", "model_name"), ::testing::ElementsAre("vae-bf16.safetensors"));
  EXPECT_THAT(names("sd-models", "model_name"), Contains("depth"));
  EXPECT_THAT(names("sd-models", "model_name"), ::testing::Not(Contains("real-esrgan-x4")));
}

TEST_F(A1111Models, ExtrasUseNetworks) {
  const Response response = enlarge({{"upscaling_resize", 3}});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.json()["html_info"], "");
  EXPECT_EQ(image_from(response.json()["image"]), upscaled(3));
  EXPECT_EQ(enlarge({{"upscaling_resize", 5}}).status, 422);  // more than the network does
  EXPECT_EQ(image_from(enlarge({{"upscaling_resize", 0.5}}).json()["image"]).size(), (Size{5, 3}));
  const Response unknown = enlarge({{"upscaler_1", "ESRGAN"}});
  EXPECT_EQ(unknown.status, 422);
  EXPECT_THAT(unknown.body, HasSubstr("expected None, Lanczos, Nearest, real-esrgan-x4"));
  EXPECT_TRUE(client_.get("/api/v1/images").json()["images"].empty());  // nothing is kept
}

TEST_F(A1111Models, ExtrasCropWhatANetworkMade) {
  const Json square{{"resize_mode", 1}, {"upscaling_resize_w", 18}, {"upscaling_resize_h", 18}};
  const Image cropped = image_from(enlarge(square).json()["image"]);
  EXPECT_EQ(cropped, fit(upscaled(3), {18, 18}, FitMode::crop, ResizeFilter::lanczos));
}

TEST_F(A1111Models, ExtrasOfSeveralImagesKeepTheirOrder) {
  const std::string wide = to_base64(encode_image(Image(16, 4, {200, 0, 0})));
  const Json body{{"imageList", {{{"data", image_}, {"name", "a"}}, {{"data", wide}, {"name", "b"}}}},
                  {"upscaler_1", "real-esrgan-x4"},
                  {"upscaling_resize", 2}};
  const Json images = client_.post("/sdapi/v1/extra-batch-images", body).json()["images"];
  ASSERT_THAT(images, SizeIs(2));
  EXPECT_EQ(image_from(images[0]).size(), (Size{20, 12}));
  EXPECT_EQ(image_from(images[1]).size(), (Size{32, 8}));
  EXPECT_THAT(client_.post("/sdapi/v1/extra-batch-images", {{"imageList", Json::array()}}).json()["images"], SizeIs(0));
  EXPECT_EQ(client_.post("/sdapi/v1/extra-batch-images", {{"image_list", body["imageList"]}}).status, 422);
}

TEST_F(A1111Models, EveryUpscalerThatIsListedGoesBetweenTwoPasses) {
  std::vector<Json> images;
  const auto draw = [&](const std::string& upscaler) {
    const Json body{{"prompt", "a red bird"},
                    {"width", 64},
                    {"height", 64},
                    {"steps", 2},
                    {"seed", 5},
                    {"enable_hr", true},
                    {"hr_scale", 2},
                    {"save_images", true},
                    {"hr_upscaler", upscaler}};
    const Response response = client_.post("/sdapi/v1/txt2img", body);
    EXPECT_EQ(response.status, 200) << response.body;
    return response.json()["images"][0];
  };
  for (const std::string& upscaler : names("upscalers", "name")) images.push_back(draw(upscaler));
  ASSERT_THAT(images, SizeIs(4));
  for (const Json& image : images) EXPECT_EQ(image_from(image).size(), (Size{128, 128}));
  EXPECT_EQ(image_from(images[0]), image_from(images[1]));  // A1111 resizes with Lanczos for "None"
  for (const size_t i : {2, 3}) EXPECT_NE(image_from(images[i]), image_from(images[1]));
  EXPECT_EQ(client_.get("/api/v1/jobs?limit=1").json()["jobs"][0]["settings"]["hires_upscaler"], "real-esrgan-x4");
}

TEST_F(A1111Models, EmbeddingsAreLoadedIfTheModelCanTakeThem) {
  const std::filesystem::path folder = models_path("embeddings");
  std::filesystem::create_directory(folder);
  const std::vector<WeightData> wide{f32_tensor("emb_params", {3, 768})};
  write_safetensors(folder / "wide.safetensors", wide);
  const std::vector<WeightData> narrow{f32_tensor("emb_params", {1, 128})};
  write_safetensors(folder / "narrow.safetensors", narrow,
                    {{"step", "2500"}, {"sd_checkpoint", "4bdfc29c"}, {"sd_checkpoint_name", "some-model"}});
  std::ofstream(folder / "damaged.pt") << "no embedding";

  const Json list = client_.get("/sdapi/v1/embeddings").json();
  EXPECT_EQ(list["loaded"]["narrow"], (Json{{"step", 2500},
                                            {"sd_checkpoint", "4bdfc29c"},
                                            {"sd_checkpoint_name", "some-model"},
                                            {"shape", 128},
                                            {"vectors", 1}}));
  const Json starter = list["loaded"]["starter-orange"];  // ships with the program
  EXPECT_EQ(starter["vectors"], 2);
  EXPECT_TRUE(starter["step"].is_null());
  ASSERT_THAT(list["skipped"], SizeIs(1));
  EXPECT_EQ(list["skipped"]["wide"]["shape"], 768);
  EXPECT_EQ(list["skipped"]["wide"]["vectors"], 3);
  EXPECT_FALSE(list["loaded"].contains("damaged"));
}

TEST_F(A1111Models, EveryPathAnswers) {
  for (const char* path : {"progress", "options", "samplers", "schedulers", "sd-models", "sd-vae", "upscalers", "loras",
                           "embeddings", "memory", "cmd-flags", "latent-upscale-modes", "scripts", "script-info",
                           "hypernetworks", "prompt-styles", "face-restorers", "realesrgan-models"}) {
    EXPECT_EQ(client_.get("/sdapi/v1/" + std::string(path)).status, 200) << path;
  }
  for (const char* path : {"refresh-checkpoints", "unload-checkpoint", "reload-checkpoint", "interrupt", "skip"}) {
    EXPECT_EQ(client_.post("/sdapi/v1/" + std::string(path), Json::object()).status, 200) << path;
  }
  for (const char* path : {"txt2img", "img2img", "png-info", "extra-single-image", "extra-batch-images"}) {
    EXPECT_EQ(client_.post_text("/sdapi/v1/" + std::string(path), "{").status, 422) << path;
    EXPECT_EQ(client_.get("/sdapi/v1/" + std::string(path)).status, 405) << path;
  }
  EXPECT_EQ(client_.get("/sdapi/v1/latent-upscale-modes").json()[0]["name"], "Latent");
  EXPECT_EQ(client_.get("/internal/ping").status, 200);
}

TEST_F(A1111Models, ADepthModelSeesTheDepthOfAnInitialImage) {
  const Json body{{"prompt", "a red bird"},
                  {"init_images", {to_base64(encode_image(Image(64, 64, {200, 40, 30})))}},
                  {"steps", 2},
                  {"seed", 5},
                  {"save_images", true},
                  {"override_settings", {{"sd_model_checkpoint", "depth"}}}};
  const Response response = client_.post("/sdapi/v1/img2img", body);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(client_.get("/api/v1/jobs?limit=1").json()["jobs"][0]["request"]["task"], "depth2img");
}

TEST_F(A1111Models, AVaeIsASetting) {
  EXPECT_EQ(client_.get("/sdapi/v1/options").json()["sd_vae"], "Automatic");
  EXPECT_EQ(client_.post("/sdapi/v1/options", {{"sd_vae", "vae-bf16"}}).body, "null");
  EXPECT_EQ(client_.get("/sdapi/v1/options").json()["sd_vae"], "vae-bf16.safetensors");
  EXPECT_EQ(client_.post("/sdapi/v1/options", {{"sd_vae", "None"}}).body, "null");
  EXPECT_EQ(client_.get("/sdapi/v1/options").json()["sd_vae"], "Automatic");
  const Response unknown = client_.post("/sdapi/v1/options", {{"sd_vae", "vae-bf61"}});
  EXPECT_EQ(unknown.status, 422);
  EXPECT_THAT(unknown.body, HasSubstr("did you mean 'vae-bf16'?"));
}

// The VAE's own image: what the library draws with it.
TEST_F(A1111Models, AVaeReplacesTheModelsOwn) {
  Json request = small_request(5);
  request["vae"] = "vae-bf16";
  const Json job = client_.await_job(client_.submit(request));
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"),
                     .vae = golden_path("models/vae-bf16.safetensors"),
                     .threads = 2});
  request.erase("vae");
  const Image expected = pipeline.generate(parse_request(request.dump())).images[0].image;
  ASSERT_EQ(job["state"], "done") << job;
  EXPECT_EQ(job["vae"], "vae-bf16");
  const std::string file = client_.get(job["images"][0]["url"]).body;
  EXPECT_EQ(decode_image(std::as_bytes(std::span(file)), "file").image, expected);
  EXPECT_EQ(client_.get("/api/v1/vaes").json()["vaes"][0]["name"], "vae-bf16");
  request["vae"] = "none-such";
  EXPECT_EQ(client_.post("/api/v1/jobs", request).status, 404);
}

}  // namespace
}  // namespace easel::testing
