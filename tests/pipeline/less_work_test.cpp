// Token merging, cached features and tiny VAEs in whole jobs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "easel/base/error.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/latent.h"
#include "easel/pipeline/memory.h"
#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/settings.h"
#include "easel/sampling/registry.h"
#include "tests/control/control_files.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

const char* const kTinyVae = "vae/autoencoder-tiny.safetensors";

Pipeline pipeline(const PipelineOptions& more = {}) {
  PipelineOptions options = more;
  options.checkpoint = golden_path("models/sd1-tiny.ckpt");
  options.threads = 2;
  return Pipeline(options);
}

Request small_request() {
  return {.prompt = "x", .width_px = 64, .height_px = 64, .steps = 4, .seed = 3, .watermark = false};
}

Image drawn(Pipeline& pipeline, const Request& request) { return pipeline.generate(request).images[0].image; }

template <typename Act>
std::string refusal(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(LessWork, OffIsOff) {
  Pipeline model = pipeline();
  Request request = small_request();
  const Image plain = drawn(model, request);
  request.token_merging_ratio = 0.0;
  request.cache_interval = 1;
  EXPECT_EQ(drawn(model, request), plain);
  request.token_merging_ratio = 0.5;
  EXPECT_NE(drawn(model, request), plain);
  request.token_merging_ratio.reset();
  request.cache_interval = 2;
  EXPECT_NE(drawn(model, request), plain);
}

struct Calls {
  std::vector<int> full = {};  // of the network, counted from 0, that ran the blocks in the middle
  // Blocks that ControlNets ran in each call, and which calls ran theirs in the middle.
  std::map<int, int> control_blocks = {};
  std::vector<int> full_control = {};
};

Calls calls_of(const std::string& sampler, int64_t interval, const std::string& prompt = "x",
               const std::vector<Control>& controls = {}) {
  const Device& device = cpu_device();
  Request request = small_request();
  request.prompt = prompt;
  request.sampler = sampler;
  request.steps = 6;
  request.cache_interval = interval;
  request = with_defaults(request, {});
  Model model({.checkpoint = golden_path("models/sd1-tiny.ckpt")});
  PromptEncoder prompts(Tokenizer::open(require_asset(kBpeMerges)));
  prompts.prepare(model, device, {"x", "y", ""}, {}, [](const std::string&) {});
  const auto batch = plan_batches(request, *request.seed).front();
  BatchNoise noise(RngKind::cpu, *request.seed);
  const Tensor start = noise.draw(device, latent_shape(model, request, 1));
  LatentTask task{model, prompts, request, batch, {.noise = start}};
  task.controls = controls;
  int call = 0;
  Calls calls;
  draw_latent(task, noise, {}, [&](std::string_view block, const Tensor&) {
    if (block == "middle_block.0") calls.full.push_back(call);
    if (block == "control.middle_block.0") calls.full_control.push_back(call);
    if (block.starts_with("control.")) ++calls.control_blocks[call];
    if (block == "out") ++call;
  });
  return calls;
}

std::vector<int> full_calls(const std::string& sampler, int64_t interval, const std::string& prompt = "x") {
  return calls_of(sampler, interval, prompt).full;
}

TEST(Cache, EveryNthCallIsAFullOne) {
  EXPECT_THAT(full_calls("euler", 1), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(full_calls("euler", 2), ElementsAre(0, 2, 4));
  EXPECT_THAT(full_calls("euler", 3), ElementsAre(0, 3));
  EXPECT_THAT(full_calls("euler", 100), ElementsAre(0));
}

// Heun's method calls the network twice in all steps but the last: 11 calls.
TEST(Cache, CountsCallsNotSteps) { EXPECT_THAT(full_calls("heun", 4), ElementsAre(0, 4, 8)); }

TEST(Cache, AnotherPromptBeginsAnew) { EXPECT_THAT(full_calls("euler", 4, "[x:y:3]"), ElementsAre(0, 3)); }

// A ControlNet that acts from `start` to `end` of the steps.
Control control_at(double start, double end, double weight = 1.0) {
  const auto opened = OpenControlNet::open(control_file(original_name));
  const Tensor hint = opened->network.read_hint(Tensor::zeros(cpu_device(), {1, 64, 64, 3}));
  return {.control_net = opened, .hint = hint, .weight = weight, .start = start, .end = end};
}

// Between full calls a ControlNet steers only the blocks that are computed, so it computes no more than these take.
TEST(Cache, ControlNetsDoNoMoreThanTheNetwork) {
  const Calls calls = calls_of("euler", 3, "x", {control_at(0, 1)});
  EXPECT_THAT(calls.full, ElementsAre(0, 3));
  EXPECT_THAT(calls.full_control, ElementsAre(0, 3));
  const int blocks = calls.control_blocks.at(0);
  EXPECT_EQ(blocks, 12 + 3);  // input blocks and the middle
  EXPECT_THAT(calls.control_blocks,
              ElementsAre(Pair(0, blocks), Pair(1, 1), Pair(2, 1), Pair(3, blocks), Pair(4, 1), Pair(5, 1)));
}

// What is kept holds what the ControlNets did below: where one begins or ends it is of no use any more.
TEST(Cache, AnotherSetOfControlNetsBeginsAnew) {
  EXPECT_THAT(calls_of("euler", 100, "x", {control_at(0, 1)}).full, ElementsAre(0));
  EXPECT_THAT(calls_of("euler", 100, "x", {control_at(0, 0.5)}).full, ElementsAre(0, 3));
  EXPECT_THAT(calls_of("euler", 100, "x", {control_at(0.5, 1)}).full, ElementsAre(0, 3));
  EXPECT_THAT(calls_of("euler", 4, "x", {control_at(0, 1), control_at(1.0 / 6, 0.5)}).full, ElementsAre(0, 1, 3));
  EXPECT_THAT(calls_of("euler", 100, "x", {control_at(0, 0.5, 0.0)}).full, ElementsAre(0));  // without weight
  EXPECT_THAT(calls_of("euler", 100, "x", {control_at(0, 0.5)}).full_control, ElementsAre(0));
}

TEST(Cache, TakesItsMemoryIntoThePlan) {
  const Model model({.checkpoint = golden_path("models/sd1-tiny.ckpt")});
  const UNetConfig& config = model.unet().config();
  // What enters the last block comes from the finest level's last but one.
  EXPECT_EQ(deep_feature_bytes(config, 0, 8, 8, 2), 2 * 8 * 8 * config.levels[0].channels * sizeof(float));
  const JobSize job{.width_px = 512, .height_px = 512, .batch = 1, .latents = 2};
  JobSize less = job;
  less.cache_branch = 0;
  less.merges_tokens = true;
  constexpr uint64_t kPlenty = uint64_t{1} << 40;
  const MemoryAllowance allowance = {.bytes = kPlenty, .comfortable_bytes = kPlenty, .tensor_bytes = kPlenty};
  const auto needed = [&](const JobSize& size) { return plan_memory(model, size, allowance, 2).needed_bytes; };
  EXPECT_GE(needed(less), needed(job));
}

TEST(LessWork, RefusesWhatDoesNotExist) {
  Pipeline model = pipeline();
  const auto refused = [&](const auto& change) {
    Request request = small_request();
    change(request);
    return refusal([&] { model.generate(request); });
  };
  EXPECT_THAT(refused([](Request& r) { r.token_merging_ratio = 0.8; }),
              HasSubstr("token merging ratio is 0.8, expected 0 to 0.75"));
  EXPECT_THAT(refused([](Request& r) { r.cache_interval = 0; }), HasSubstr("cache interval is 0, expected 1 to 100"));
  EXPECT_THAT(refused([](Request& r) { r.cache_branch = 1; }), HasSubstr("no cache interval; say --cache N too"));
  EXPECT_THAT(refused([](Request& r) {
                r.cache_interval = 2;
                r.cache_branch = 50;
              }),
              HasSubstr("cache branch is 50, but this model has "));
}

TEST(LessWork, IsToldInTheImage) {
  Pipeline model = pipeline();
  Request request = small_request();
  request.token_merging_ratio = 0.5;
  request.cache_interval = 2;
  request.cache_branch = 1;
  const Result result = model.generate(request);
  const std::string& text = result.images[0].parameters;
  EXPECT_THAT(text, HasSubstr("Token merging ratio: 0.5, Cache interval: 2, Cache branch: 1"));
  const ImageSettings settings = settings_from(parse_infotext(text));
  EXPECT_THAT(settings.warnings, IsEmpty());
  EXPECT_EQ(settings.request.token_merging_ratio, 0.5);
  EXPECT_EQ(settings.request.cache_interval, 2);
  EXPECT_EQ(settings.request.cache_branch, 1);
  EXPECT_EQ(to_json(parse_request(to_json(request))), to_json(request));
}

TEST(TinyVae, DrawsInThePlaceOfTheCheckpoints) {
  Pipeline full = pipeline(), tiny = pipeline({.checkpoint = {}, .vae = golden_path(kTinyVae)});
  const Image expected = drawn(full, small_request()), image = drawn(tiny, small_request());
  EXPECT_EQ(image.size(), expected.size());
  EXPECT_NE(image, expected);
  Pipeline bare = pipeline({.checkpoint = {}, .vae = golden_path("vae/taesd_decoder.pth")});
  EXPECT_EQ(drawn(bare, small_request()), image);
}

TEST(TinyVae, EncodesInitialImages) {
  Pipeline full = pipeline(), tiny = pipeline({.checkpoint = {}, .vae = golden_path(kTinyVae)});
  Pipeline decoder = pipeline({.checkpoint = {}, .vae = golden_path("vae/taesd_decoder.pth")});
  Request request = small_request();
  request.task = Task::img2img;
  request.init_image = Image(64, 64, {200, 100, 50});
  request.strength = 0.0;
  const Image by_both = drawn(tiny, request);
  EXPECT_NE(by_both, drawn(decoder, request));  // which takes the checkpoint's encoder
  request.image_seed = 99;                      // of noise that a tiny VAE has no use for
  EXPECT_EQ(by_both, drawn(tiny, request));
}

TEST(TinyVae, ShowsUnfinishedImages) {
  Pipeline model = pipeline({.checkpoint = {}, .preview_vae = golden_path(kTinyVae)});
  Pipeline plain = pipeline();
  std::vector<Image> previews, intermediates;
  const Callbacks callbacks{
      .on_intermediate = [&](const IntermediateImage& image) { intermediates.push_back(image.estimate.image); },
      .on_preview = [&](const Image& preview) { previews.push_back(preview); }};
  const Result result = model.generate(small_request(), callbacks);
  EXPECT_EQ(result.images[0].image, drawn(plain, small_request()));  // the finished image is the checkpoint's VAE's
  ASSERT_THAT(previews, SizeIs(4));
  ASSERT_THAT(intermediates, SizeIs(3));
  EXPECT_EQ(previews[0].size(), (Size{64, 64}));
  EXPECT_EQ(previews[0], intermediates[0]);
}

TEST(TinyVae, RefusesWhatIsNone) {
  EXPECT_THAT(refusal([] { pipeline({.checkpoint = {}, .vae = golden_path("vae/taesd_encoder.safetensors")}); }),
              HasSubstr("is the encoder of a tiny VAE (TAESD); --vae takes a VAE of the original layout"));
  EXPECT_THAT(refusal([] { pipeline({.checkpoint = {}, .preview_vae = golden_path("models/vae-bf16.safetensors")}); }),
              HasSubstr("is a VAE alone; --preview-vae takes the decoder of a tiny VAE"));
  EXPECT_THAT(
      refusal([] { pipeline({.checkpoint = {}, .preview_vae = golden_path("vae/taesd_encoder.safetensors")}); }),
      HasSubstr("--preview-vae takes the decoder of a tiny VAE"));
}

}  // namespace
}  // namespace easel::testing
