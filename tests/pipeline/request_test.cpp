#include "easel/pipeline/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The message of the Error that `run` throws; its code must be invalid_request.
template <typename Run>
std::string refusal(const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

TEST(RequestJson, KeepsEveryValue) {
  Request request;
  request.prompt = "a \"red\" bird, été";
  request.prompts = {"one", ""};
  request.negative_prompt = "blurry";
  request.width_px = 128;
  request.height_px = 192;
  request.steps = 20;
  request.guidance_scale = 6.25;
  request.sampler = "euler";
  request.schedule = "karras";
  request.eta = 0.5;
  request.seed = 18446744073709551615u;
  request.rng = "gpu";
  request.noise_order = NoiseOrder::compvis;
  request.fixed_code = true;
  request.batch_size = 3;
  request.batch_count = 4;
  request.tiling = true;
  request.watermark = false;
  const Request back = parse_request(to_json(request));
  EXPECT_EQ(to_json(back), to_json(request));
  EXPECT_EQ(back.prompt, request.prompt);
  EXPECT_THAT(back.prompts, ElementsAre("one", ""));
  EXPECT_EQ(back.seed, 18446744073709551615u);
  EXPECT_EQ(back.noise_order, NoiseOrder::compvis);
  EXPECT_EQ(back.guidance_scale, 6.25);
  EXPECT_TRUE(back.tiling);
  EXPECT_FALSE(back.watermark);
}

TEST(RequestJson, CarriesImages) {
  Request request;
  request.task = Task::inpaint;
  request.init_image = Image(3, 2, {10, 20, 30});
  request.mask = Mask(3, 2, {255});
  request.strength = 0.25;
  request.mask_fill = MaskFill::zero;
  request.margins.left_px = 64;
  const Request back = parse_request(to_json(request));
  EXPECT_EQ(back.task, Task::inpaint);
  EXPECT_EQ(back.init_image, request.init_image);
  EXPECT_EQ(back.mask, request.mask);
  EXPECT_EQ(back.mask_fill, MaskFill::zero);
  EXPECT_EQ(back.margins.left_px, 64);
  EXPECT_EQ(to_json(back), to_json(request));
  EXPECT_LT(to_json(without_images(request)).size(), 400);
  EXPECT_THAT(refusal([] { parse_request(R"({"task": "img2img", "init_image": "*"})"); }),
              HasSubstr("an image file in base64"));
}

TEST(RequestJson, LeavesOpenWhatIsNotSaid) {
  const Request request = parse_request(R"({"prompt": "a red bird"})");
  EXPECT_EQ(request.prompt, "a red bird");
  EXPECT_FALSE(request.seed || request.steps || request.sampler || request.width_px);
  EXPECT_EQ(request.batch_size, 1);
  EXPECT_TRUE(request.watermark);
}

TEST(RequestJson, RefusesWhatItDoesNotKnow) {
  const auto refused = [](const char* json) { return refusal([&] { parse_request(json); }); };
  EXPECT_THAT(refused(R"({"step": 3})"), HasSubstr("unknown key \"step\"; did you mean \"steps\"?"));
  EXPECT_THAT(refused(R"({"steps": "3"})"), HasSubstr("\"steps\" is \"3\", expected an integer"));
  EXPECT_THAT(refused(R"({"steps": 3.5})"), HasSubstr("\"steps\" is 3.5, expected an integer"));
  EXPECT_THAT(refused(R"({"steps": 18446744073709551615})"), HasSubstr("expected an integer"));
  EXPECT_THAT(refused(R"({"seed": -1})"), HasSubstr("\"seed\" is -1"));
  EXPECT_THAT(refused(R"({"watermark": 1})"), HasSubstr("expected true or false"));
  EXPECT_THAT(refused(R"({"prompts": "one"})"), HasSubstr("expected an array of strings"));
  EXPECT_THAT(refused(R"({"prompt": null})"), HasSubstr("expected a string"));
  EXPECT_THAT(refused(R"({"steps": 3, "steps": 4})"), HasSubstr("\"steps\" is given twice"));
  EXPECT_THAT(refused(R"({"batch_noise": "pink"})"), HasSubstr("expected per-image, compvis"));
  EXPECT_THAT(refused("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(refused("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refused(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(refused(R"({"width": 100})"), HasSubstr("multiple of 64"));
}

TEST(Request, ChecksRanges) {
  const auto refused = [](auto change) {
    Request request;
    change(request);
    return refusal([&] { check(request); });
  };
  EXPECT_THAT(refused([](Request& r) { r.width_px = 32; }), HasSubstr("width is 32, expected 64 to 8192"));
  EXPECT_THAT(refused([](Request& r) { r.steps = 0; }), HasSubstr("steps is 0, expected 1 to 1000"));
  EXPECT_THAT(refused([](Request& r) { r.guidance_scale = 1e9; }), HasSubstr("cfg scale"));
  EXPECT_THAT(refused([](Request& r) { r.eta = -0.5; }), HasSubstr("eta is -0.5, expected 0 to 1"));
  EXPECT_THAT(refused([](Request& r) { r.batch_size = 65; }), HasSubstr("batch size is 65, expected 1 to 64"));
  EXPECT_THAT(refused([](Request& r) { r.sampler = "dimm"; }), HasSubstr("did you mean 'ddim'?"));
  EXPECT_THAT(refused([](Request& r) { r.prompt = "\xFF"; }), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(refused([](Request& r) { r.prompt = std::string(kMaxPromptBytes + 1, 'a'); }), HasSubstr("bytes"));
}

std::vector<std::vector<uint64_t>> seeds_of(const Request& request) {
  std::vector<std::vector<uint64_t>> out;
  for (const auto& batch : plan_batches(request, 7)) {
    out.emplace_back();
    for (const PlannedImage& image : batch) out.back().push_back(image.seed);
  }
  return out;
}

TEST(Request, EveryImageHasTheNextSeed) {
  Request request;
  request.batch_size = 2;
  request.batch_count = 2;
  EXPECT_THAT(seeds_of(request), ElementsAre(ElementsAre(7, 8), ElementsAre(9, 10)));
  request.fixed_code = true;
  EXPECT_THAT(seeds_of(request), ElementsAre(ElementsAre(7, 8), ElementsAre(7, 8)));
}

TEST(Request, PromptsAreCutIntoBatches) {
  Request request;
  request.prompts = {"a", "b", "c"};
  request.batch_size = 2;
  request.batch_count = 2;
  EXPECT_THAT(seeds_of(request), ElementsAre(ElementsAre(7, 8), ElementsAre(9), ElementsAre(10, 11), ElementsAre(12)));
  const auto batches = plan_batches(request, 7);
  EXPECT_EQ(batches[1][0].prompt, "c");
  EXPECT_EQ(batches[2][0].prompt, "a");
}

}  // namespace
}  // namespace easel
