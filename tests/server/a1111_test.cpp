// /sdapi/v1 and /internal as the clients of AUTOMATIC1111's web UI use them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "easel/base/base64.h"
#include "easel/image/codec.h"
#include "easel/pipeline/pipeline.h"
#include "server/a1111/draw_order.h"
#include "tests/server/client.h"

namespace easel::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Image image_from(const std::string& text) {
  const auto bytes = from_base64(text);
  return decode_image(*bytes, "image").image;
}

class A1111 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    server_ = std::make_unique<server::Server>(test_options(folder_->path()));
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
  }

  Response draw(const Json& changes = Json::object()) const {
    Json body{{"prompt", "a red bird"}, {"width", 64}, {"height", 64}, {"steps", 2}, {"seed", 5}};
    body.update(changes);
    return client_.post("/sdapi/v1/txt2img", body);
  }
  static Json info_of(const Response& response) { return Json::parse(response.json().at("info").get<std::string>()); }
  Json detail(const Json& changes) const {
    const Response response = draw(changes);
    EXPECT_EQ(response.status, 422) << response.body;
    return response.json().at("detail").at(0);
  }
  void await_running() const {
    while (client_.get("/sdapi/v1/progress").json()["state"]["sampling_step"] == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  const Client client_{server_->port()};

 private:
  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::unique_ptr<server::Server> server_;
};

TEST_F(A1111, DrawsTheImageOfTheLibrary) {
  const Response response =
      draw({{"batch_size", 2}, {"sampler_name", "Euler a"}, {"cfg_scale", 5}, {"negative_prompt", "x"}});
  ASSERT_EQ(response.status, 200) << response.body;
  ASSERT_THAT(response.json()["images"], SizeIs(2));
  EXPECT_EQ(response.json()["parameters"]["steps"], 2);
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = 2});
  const Result expected = pipeline.generate({.prompt = "a red bird",
                                             .negative_prompt = "x",
                                             .width_px = 64,
                                             .height_px = 64,
                                             .steps = 2,
                                             .guidance_scale = 5,
                                             .sampler = "euler_ancestral",
                                             .seed = 5,
                                             .batch_size = 2});
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(image_from(response.json()["images"][i]), expected.images[i].image);

  const Json info = info_of(response);
  EXPECT_EQ(info["seed"], 5);
  EXPECT_EQ(info["all_seeds"], (Json{5, 6}));
  EXPECT_EQ(info["sampler_name"], "Euler a");
  EXPECT_EQ(info["sd_model_name"], "sd1-tiny");
  EXPECT_EQ(info["infotexts"][1], expected.images[1].parameters);
  EXPECT_THAT(info["warnings"], IsEmpty());
}

TEST_F(A1111, SchedulersAreNamedApart) {
  const auto schedule = [&](const Json& changes) {
    const std::string text = info_of(draw(changes))["infotexts"][0];
    const size_t at = text.find("Schedule type: ") + 15;
    return text.substr(at, text.find(',', at) - at);
  };
  EXPECT_EQ(schedule({{"sampler_name", "DPM++ 2M"}}), "karras");  // A1111's automatic choice
  EXPECT_EQ(schedule({{"sampler_name", "DPM++ 2M"}, {"scheduler", "Automatic"}}), "karras");
  EXPECT_EQ(schedule({{"sampler_name", "DPM++ 2M"}, {"scheduler", "SGM Uniform"}}), "sgm_uniform");
  EXPECT_EQ(schedule({{"sampler_name", "DPM++ 2M"}, {"scheduler", "Uniform"}}), "discrete");
  EXPECT_EQ(schedule({{"sampler_index", "Euler"}}), "discrete");
  EXPECT_EQ(schedule({{"sampler_name", "DPM++ 2M Karras"}}), "karras");
}

TEST_F(A1111, Img2ImgStartsFromAnImage) {
  const Image start(64, 64, {200, 40, 30});
  const Json body{
      {"prompt", "a red bird"}, {"init_images", {to_base64(encode_image(start))}}, {"steps", 4}, {"seed", 5}};
  const auto draw_image = [&](const Json& changes) {
    Json changed = body;
    changed.update(changes);
    return client_.post("/sdapi/v1/img2img", changed);
  };
  const Response response = draw_image({{"denoising_strength", 0.5}});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_FALSE(response.json()["parameters"].contains("init_images"));
  EXPECT_EQ(info_of(response)["denoising_strength"], 0.5);
  EXPECT_THAT(info_of(response)["warnings"], IsEmpty());
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = 2});
  const Result expected = pipeline.generate({.task = Task::img2img,
                                             .prompt = "a red bird",
                                             .steps = 4,
                                             .seed = 5,
                                             .init_image = start,
                                             .resize_mode = FitMode::stretch,
                                             .strength = 0.5,
                                             .strength_mode = StrengthMode::a1111});
  EXPECT_EQ(image_from(response.json()["images"][0]), expected.images[0].image);

  EXPECT_EQ(draw_image({{"init_images", Json::array()}}).json()["detail"][0]["loc"][1], "init_images");
  EXPECT_EQ(draw_image({{"init_images", {"http://example.com/a.png"}}}).status, 422);
  EXPECT_EQ(draw_image({{"denoising_strength", 2}}).json()["detail"][0]["loc"][1], "denoising_strength");
}

TEST_F(A1111, AMaskKeepsWhatIsBlack) {
  Image start(64, 64, {200, 40, 30});
  Mask mask(64, 64);
  for (int64_t y = 0; y < 64; ++y) std::ranges::fill(mask.row(y).subspan(32), uint8_t{255});
  Json body{{"init_images", {to_base64(encode_image(start))}},
            {"mask", to_base64(encode_mask(mask))},
            {"steps", 2},
            {"mask_blur", 0},
            {"inpainting_fill", 1},
            {"inpaint_full_res", false},
            {"seed", 1}};
  const Response response = client_.post("/sdapi/v1/img2img", body);
  ASSERT_EQ(response.status, 200) << response.body;
  const Image image = image_from(response.json()["images"][0]);
  const auto is_kept = [&](int64_t x) {
    return std::equal(image.pixel(x, 10), image.pixel(x, 10) + 3, start.pixel(x, 10));
  };
  EXPECT_TRUE(is_kept(10));
  EXPECT_FALSE(is_kept(50));
  body["inpainting_mask_invert"] = 1;
  const Image inverted = image_from(client_.post("/sdapi/v1/img2img", body).json()["images"][0]);
  EXPECT_TRUE(std::equal(inverted.pixel(50, 10), inverted.pixel(50, 10) + 3, start.pixel(50, 10)));
  body["inpaint_full_res"] = 1;
  body["width"] = body["height"] = 64;
  EXPECT_EQ(client_.post("/sdapi/v1/img2img", body).status, 200);
}

TEST_F(A1111, HiresAndVariations) {
  const Json hires{{"enable_hr", true}, {"hr_scale", 2}, {"hr_upscaler", "Latent"}, {"denoising_strength", 0.7}};
  EXPECT_EQ(image_from(draw(hires).json()["images"][0]).size(), (Size{128, 128}));
  EXPECT_EQ(image_from(draw({{"enable_hr", true}, {"hr_resize_x", 192}}).json()["images"][0]).size(), (Size{192, 192}));
  const Json unknown = detail({{"enable_hr", true}, {"hr_upscaler", "ESRGAN"}});
  EXPECT_EQ(unknown["loc"][1], "hr_upscaler");
  EXPECT_THAT(unknown["msg"].get<std::string>(), HasSubstr("there is no upscaler 'ESRGAN'"));
  EXPECT_EQ(detail({{"enable_hr", true}, {"hr_resize_x", 128}, {"hr_resize_y", 192}})["loc"][1], "hr_resize_x");
  const Json info = info_of(draw({{"subseed", 9}, {"subseed_strength", 0.5}, {"batch_size", 2}}));
  EXPECT_EQ(info["all_seeds"], (Json{5, 5}));
  EXPECT_EQ(info["all_subseeds"], (Json{9, 10}));
}

// What a name means is read off the request; every meaning draws once.
TEST_F(A1111, EverySamplerThatIsListedDraws) {
  const server::ModelCatalog models(golden_path("models/sd1-tiny.ckpt"));
  const server::A1111Settings settings(models);
  const auto meaning = [&](const Json& body) {
    return to_json(std::get<Request>(server::parse_txt2img(body.dump(), settings).job.request));
  };
  for (const Json& sampler : client_.get("/sdapi/v1/samplers").json()) {
    EXPECT_EQ(draw({{"sampler_name", sampler["name"]}, {"send_images", false}}).status, 200) << sampler;
    EXPECT_EQ(meaning({{"sampler_name", sampler["aliases"][0]}}), meaning({{"sampler_name", sampler["name"]}}));
  }
  for (const Json& scheduler : client_.get("/sdapi/v1/schedulers").json()) {
    const Json by_name{{"sampler_name", "Euler"}, {"scheduler", scheduler["name"]}, {"steps", 1}};
    EXPECT_EQ(draw(by_name).status, 200) << scheduler;
    Json by_label = by_name;
    by_label["scheduler"] = scheduler["label"];
    EXPECT_EQ(meaning(by_label), meaning(by_name));
  }
}

TEST_F(A1111, WrongValuesAreToldAsFastApiDoes) {
  const Json steps = detail({{"steps", "many"}});
  EXPECT_EQ(steps["loc"], (Json{"body", "steps"}));
  EXPECT_EQ(steps["type"], "type_error.integer");
  EXPECT_THAT(steps["msg"].get<std::string>(), HasSubstr("expected an integer"));
  EXPECT_EQ(detail({{"steps", 0}})["type"], "value_error.number.not_in_range");
  EXPECT_EQ(detail({{"sampler_name", "Eular"}})["loc"][1], "sampler_name");
  EXPECT_THAT(detail({{"sampler_name", "Eular"}})["msg"].get<std::string>(), HasSubstr("did you mean 'euler'?"));
  EXPECT_THAT(detail({{"scheduler", "Karas"}})["msg"].get<std::string>(), HasSubstr("did you mean 'karras'?"));
  EXPECT_THAT(draw({{"prompt", "a bird <lora:three-ink:1>"}}).body, HasSubstr("did you mean three-inks?"));
  EXPECT_EQ(detail({{"scheduler", "x"}})["loc"][1], "scheduler");
  EXPECT_EQ(detail({{"width", 100}})["loc"], Json{"body"});
  EXPECT_EQ(detail({{"seed", 1.5}})["loc"][1], "seed");
  EXPECT_EQ(detail({{"override_settings", {{"sd_model_checkpoint", "none"}}}})["loc"][1], "sd_model_checkpoint");
  EXPECT_EQ(detail({{"override_settings", 3}})["type"], "type_error.dict");
  EXPECT_EQ(client_.post_text("/sdapi/v1/txt2img", "{").status, 422);
  EXPECT_EQ(client_.get("/sdapi/v1/nothing").status, 404);
  EXPECT_THAT(client_.get("/sdapi/v1/nothing").json()["detail"].get<std::string>(), HasSubstr("nothing"));
}

TEST_F(A1111, WhatCannotBeHonouredIsAWarning) {
  const Json neutral{{"restore_faces", false},
                     {"tiling", false},
                     {"subseed", -1},
                     {"subseed_strength", 0},
                     {"enable_hr", false},
                     {"hr_scale", 2},
                     {"s_noise", 1.0},
                     {"seed_resize_from_h", -1},
                     {"styles", Json::array()},
                     {"script_name", ""},
                     {"alwayson_scripts", Json::object()},
                     {"eta", nullptr}};
  EXPECT_THAT(info_of(draw(neutral))["warnings"], IsEmpty());
  const Json info = info_of(draw({{"restore_faces", true}, {"tilling", true}}));
  EXPECT_THAT(info["warnings"], ElementsAre("\"restore_faces\" is not available and changed nothing",
                                            "\"tilling\" is unknown and changed nothing"));
  EXPECT_THAT(info_of(draw({{"override_settings", {{"face_restoration", true}, {"sd_vae", "Automatic"}}}}))["warnings"],
              ElementsAre("the setting \"face_restoration\" changed nothing"));
}

TEST_F(A1111, ImagesAreKeptAndSentOnRequest) {
  const auto gallery = [&] { return client_.get("/api/v1/images?limit=500").json()["images"].size(); };
  const size_t before = gallery();
  EXPECT_THAT(draw({{"send_images", false}}).json()["images"], IsEmpty());
  EXPECT_EQ(gallery(), before);
  EXPECT_THAT(draw({{"save_images", true}}).json()["images"], SizeIs(1));
  EXPECT_EQ(gallery(), before + 1);
}

TEST_F(A1111, SeedsOfAGraphicsCard) {
  const std::string cpu = draw().json()["images"][0];
  const std::string gpu = draw({{"override_settings", {{"randn_source", "GPU"}}}}).json()["images"][0];
  EXPECT_NE(cpu, gpu);
  EXPECT_EQ(client_.post("/sdapi/v1/options", {{"randn_source", "NV"}}).body, "null");
  EXPECT_EQ(client_.get("/sdapi/v1/options").json()["randn_source"], "NV");
  EXPECT_EQ(image_from(draw().json()["images"][0]), image_from(gpu));
  client_.post("/sdapi/v1/options", {{"randn_source", "CPU"}});
}

TEST_F(A1111, ProgressAndInterrupt) {
  EXPECT_EQ(client_.get("/sdapi/v1/progress").json()["progress"], 0.0);
  Response answer;
  std::thread drawing([&] {
    answer = draw({{"steps", 600}, {"n_iter", 3}, {"force_task_id", "task(abc)"}, {"send_images", true}});
  });
  await_running();
  Json progress;
  do {
    progress = client_.get("/sdapi/v1/progress").json();
  } while (progress["current_image"].is_null());
  EXPECT_GT(progress["progress"], 0.0);
  EXPECT_GT(progress["eta_relative"], 0.0);
  EXPECT_EQ(progress["state"]["job"], "task(abc)");
  EXPECT_EQ(progress["state"]["job_count"], 3);
  EXPECT_EQ(progress["state"]["sampling_steps"], 600);
  EXPECT_EQ(image_from(progress["current_image"]).size(), (Size{8, 8}));
  EXPECT_TRUE(client_.get("/sdapi/v1/progress?skip_current_image=true").json()["current_image"].is_null());

  const Json task = client_.post("/internal/progress", {{"id_task", "task(abc)"}, {"id_live_preview", -1}}).json();
  EXPECT_EQ(task["active"], true);
  EXPECT_THAT(task["live_preview"].get<std::string>(), HasSubstr("data:image/png;base64,"));
  EXPECT_EQ(client_.post("/internal/progress", {{"id_task", "other"}}).json()["completed"], true);

  EXPECT_EQ(client_.post("/sdapi/v1/interrupt", Json::object()).body, "{}");
  drawing.join();
  EXPECT_EQ(answer.status, 200);  // with what was finished
  EXPECT_THAT(answer.json()["images"].size(), ::testing::Lt(3u));
  EXPECT_THAT(info_of(answer)["warnings"], Contains("the job was cancelled"));
  EXPECT_EQ(client_.get("/internal/ping").status, 200);
}

TEST_F(A1111, SkipGoesOnWithTheNextBatch) {
  Response answer;
  std::thread drawing([&] { answer = draw({{"steps", 300}, {"n_iter", 2}}); });
  await_running();
  EXPECT_EQ(client_.get("/sdapi/v1/progress").json()["state"]["job_no"], 0);
  EXPECT_EQ(client_.post("/sdapi/v1/skip", Json::object()).body, "{}");
  drawing.join();
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.json()["images"], SizeIs(1));
  EXPECT_EQ(info_of(answer)["all_seeds"], Json{6});
  EXPECT_THAT(info_of(answer)["warnings"], ElementsAre("batch 1 of 2 was skipped"));
}

TEST_F(A1111, ClipSkipIsASetting) {
  const Response first = draw();
  const Response second = draw({{"override_settings", {{"CLIP_stop_at_last_layers", 2}}}});
  EXPECT_EQ(info_of(first)["clip_skip"], 1);
  EXPECT_EQ(info_of(second)["clip_skip"], 2);
  EXPECT_NE(image_from(first.json()["images"][0]), image_from(second.json()["images"][0]));
  client_.post("/sdapi/v1/options", {{"CLIP_stop_at_last_layers", 2}});
  EXPECT_EQ(client_.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"], 2);
  EXPECT_EQ(image_from(draw().json()["images"][0]), image_from(second.json()["images"][0]));
  client_.post("/sdapi/v1/options", {{"CLIP_stop_at_last_layers", 1}});
  EXPECT_EQ(detail({{"override_settings", {{"CLIP_stop_at_last_layers", 13}}}})["loc"][2], "CLIP_stop_at_last_layers");
}

TEST_F(A1111, CheckpointsAreUnloadedAndLoaded) {
  draw();
  const auto is_loaded = [&] { return client_.get("/api/v1/models").json()["models"][0]["loaded"].get<bool>(); };
  const auto becomes = [&](bool loaded) {
    for (int i = 0; i < 500 && is_loaded() != loaded; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return is_loaded() == loaded;
  };
  EXPECT_TRUE(is_loaded());
  EXPECT_EQ(client_.post("/sdapi/v1/unload-checkpoint", Json::object()).body, "{}");
  EXPECT_TRUE(becomes(false));
  EXPECT_EQ(client_.post("/sdapi/v1/reload-checkpoint", Json::object()).body, "{}");
  EXPECT_TRUE(becomes(true));
  EXPECT_EQ(client_.post("/sdapi/v1/refresh-checkpoints", Json::object()).body, "null");
}

TEST_F(A1111, OptionsAreReadAndChanged) {
  EXPECT_EQ(client_.get("/sdapi/v1/options").json()["sd_model_checkpoint"], "sd1-tiny.ckpt");
  EXPECT_EQ(client_.post("/sdapi/v1/options", {{"sd_model_checkpoint", "sd1-tiny [0123abcd]"}}).body, "null");
  EXPECT_EQ(client_.post("/sdapi/v1/options", {{"sd_model_checkpoint", "other"}}).status, 422);
  EXPECT_THAT(client_.post("/sdapi/v1/options", {{"show_progress_every_n_steps", 3}}).json()["warnings"], SizeIs(1));
}

TEST_F(A1111, ListsHaveTheirShapes) {
  const Json model = client_.get("/sdapi/v1/sd-models").json()[0];
  EXPECT_EQ(model["title"], "sd1-tiny.ckpt");
  EXPECT_EQ(model["model_name"], "sd1-tiny");
  EXPECT_EQ(client_.get("/sdapi/v1/upscalers").json()[1]["name"], "Lanczos");
  for (const char* list :
       {"sd-vae", "loras", "hypernetworks", "face-restorers", "realesrgan-models", "prompt-styles", "script-info"}) {
    EXPECT_TRUE(client_.get("/sdapi/v1/" + std::string(list)).json().is_array()) << list;
  }
  EXPECT_THAT(client_.get("/sdapi/v1/loras").body, HasSubstr(R"("name":"three-inks")"));  // ships with the program
  EXPECT_TRUE(client_.get("/sdapi/v1/embeddings").json()["loaded"].is_object());
  EXPECT_TRUE(client_.get("/sdapi/v1/scripts").json()["txt2img"].is_array());
  EXPECT_GT(client_.get("/sdapi/v1/memory").json()["ram"]["total"], 0);
  EXPECT_EQ(client_.get("/sdapi/v1/cmd-flags").json()["api"], true);
}

TEST_F(A1111, ImagesTellTheirSettings) {
  const std::string image = draw().json()["images"][0];
  for (const std::string& prefix : {std::string(), std::string("data:image/png;base64,")}) {
    const Json info = client_.post("/sdapi/v1/png-info", {{"image", prefix + image}}).json();
    EXPECT_THAT(info["info"].get<std::string>(), HasSubstr("a red bird"));
    EXPECT_EQ(info["parameters"]["Seed"], "5");
    EXPECT_EQ(info["items"]["parameters"], info["info"]);
  }
  const Response url = client_.post("/sdapi/v1/png-info", {{"image", "http://127.0.0.1/x.png"}});
  EXPECT_EQ(url.status, 422);
  EXPECT_THAT(url.json()["detail"][0]["msg"].get<std::string>(), HasSubstr("send the image itself"));
  EXPECT_EQ(client_.post("/sdapi/v1/png-info", {{"image", "aGVsbG8="}}).status, 400);
}

TEST_F(A1111, ExtrasResize) {
  const std::string image = to_base64(encode_image(Image(10, 6, {9, 8, 7})));
  const auto size = [&](Json fields) {
    fields["image"] = image;
    const Response response = client_.post("/sdapi/v1/extra-single-image", fields);
    EXPECT_EQ(response.status, 200) << response.body;
    return image_from(response.json()["image"]).size();
  };
  EXPECT_EQ(size({{"upscaling_resize", 3}, {"upscaler_1", "Lanczos"}}), (Size{30, 18}));
  EXPECT_EQ(size({{"upscaling_resize", 3}}), (Size{10, 6}));  // the upscaler "None"
  const Json to_size{
      {"resize_mode", 1}, {"upscaling_resize_w", 20}, {"upscaling_resize_h", 20}, {"upscaler_1", "Nearest"}};
  EXPECT_EQ(size(to_size), (Size{20, 20}));
  Json uncropped = to_size;
  uncropped["upscaling_crop"] = false;
  EXPECT_EQ(size(uncropped), (Size{33, 20}));

  const Response restored = client_.post("/sdapi/v1/extra-single-image", {{"image", image}, {"gfpgan_visibility", 1}});
  EXPECT_THAT(restored.json()["html_info"].get<std::string>(), HasSubstr("gfpgan_visibility"));
  EXPECT_EQ(client_.post("/sdapi/v1/extra-single-image", {{"image", image}, {"upscaler_1", "ESRGAN"}}).status, 422);
  EXPECT_EQ(client_.post("/sdapi/v1/extra-single-image", {{"upscaler_1", "Lanczos"}}).status, 422);
  const Json both = client_
                        .post("/sdapi/v1/extra-batch-images",
                              {{"imageList", {{{"data", image}, {"name", "a"}}, {{"data", image}, {"name", "b"}}}},
                               {"upscaler_1", "Lanczos"}})
                        .json();
  ASSERT_THAT(both["images"], SizeIs(2));
  EXPECT_EQ(image_from(both["images"][1]).size(), (Size{20, 12}));
}

}  // namespace
}  // namespace easel::testing
