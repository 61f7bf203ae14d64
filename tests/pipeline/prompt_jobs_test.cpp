// Prompts with weights, schedules and several parts, as jobs see them. How they are read is in tests/prompt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "easel/base/error.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/prompt_encoder.h"
#include "easel/pipeline/prompt_plan.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Request request_for(const std::string& prompt) {
  Request request;
  request.prompt = prompt;
  request.width_px = request.height_px = 64;
  request.steps = 4;
  request.seed = 5;
  return request;
}

class PromptJobs : public ::testing::Test {
 protected:
  Image draw(const Request& request) { return pipeline_.generate(request).images.at(0).image; }
  Image draw(const std::string& prompt) { return draw(request_for(prompt)); }

  Pipeline pipeline_{{.checkpoint = golden_path("models/sd1-tiny.ckpt")}};
};

void expect_near(const Image& a, const Image& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.bytes().size(); ++i) ASSERT_NEAR(a.bytes()[i], b.bytes()[i], 1) << i;
}

TEST_F(PromptJobs, WeightsCount) {
  EXPECT_EQ(draw("a (red:1.0) bird"), draw("a red bird"));
  EXPECT_NE(draw("a (red:1.5) bird"), draw("a red bird"));
  EXPECT_EQ(draw("a ((red)) bird"), draw("a (red:1.21) bird"));
}

TEST_F(PromptJobs, SchedulesSwitch) {
  EXPECT_EQ(draw("a [astronaut:horse:0]"), draw("a horse"));
  EXPECT_EQ(draw("a [astronaut:horse:4]"), draw("a astronaut"));
  const Image half = draw("a [astronaut:horse:0.5]");
  EXPECT_NE(half, draw("a astronaut"));
  EXPECT_NE(half, draw("a horse"));
  EXPECT_EQ(half, draw("a [astronaut:horse:2]"));
  EXPECT_NE(draw("a [astronaut|horse]"), half);
}

TEST_F(PromptJobs, APartOfWeight0SaysNothing) {
  expect_near(draw("a red horse AND a blue astronaut :0"), draw("a red horse"));
  EXPECT_NE(draw("a red horse AND a blue astronaut"), draw("a red horse"));
  // Two halves of one prompt are the prompt.
  expect_near(draw("a red horse :0.5 AND a red horse :0.5"), draw("a red horse"));
}

TEST_F(PromptJobs, LongPromptsAreNotCut) {
  std::string words = "horse";
  for (int i = 1; i < 100; ++i) words += " horse";
  const Result result = pipeline_.generate(request_for(words + " house"));
  EXPECT_THAT(result.warnings, IsEmpty());
  EXPECT_NE(result.images[0].image, draw(words + " river"));
}

TEST_F(PromptJobs, PromptsOfAnyLengthShareABatch) {
  std::string long_prompt = "astronaut";
  for (int i = 1; i < 100; ++i) long_prompt += " astronaut";
  Request request = request_for("");
  request.prompts = {"a horse", long_prompt, "a red house AND a river"};
  request.batch_size = 3;
  const Result batch = pipeline_.generate(request);
  for (size_t i = 0; i < 3; ++i) {
    Request single = request_for(request.prompts[i]);
    single.seed = 5 + i;
    expect_near(batch.images[i].image, draw(single));
  }
}

TEST_F(PromptJobs, PlainPromptsAreTakenAsTheyStand) {
  Request request = request_for("a (red:1.5) horse AND [a|b]");
  request.plain_prompt = true;
  const Image plain = draw(request);
  request.plain_prompt = false;
  EXPECT_NE(draw(request), plain);
  request = request_for("a red horse");
  request.plain_prompt = true;
  EXPECT_EQ(draw(request), draw("a red horse"));
}

TEST_F(PromptJobs, ClipSkipLeavesLayersOut) {
  Request request = request_for("a red horse");
  request.clip_skip = 1;
  EXPECT_EQ(draw(request), draw("a red horse"));
  request.clip_skip = 2;
  EXPECT_NE(draw(request), draw("a red horse"));
  request.clip_skip = 13;
  EXPECT_THROW(draw(request), Error);
}

TEST_F(PromptJobs, WrongWeightsAreRefusedBeforeSampling) {
  Request request = request_for("a (red:" + std::string(400, '9') + ") horse");
  try {
    pipeline_.generate(request, {.on_progress = [](const JobProgress& p) { ASSERT_NE(p.stage, Stage::sampling); }});
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
  }
}

TEST(PromptPlan, TextsOfAllPassesAndTheNegativePrompt) {
  Request request = request_for("");
  request.guidance_scale = 7.5;
  request.negative_prompt = "blurry";
  EXPECT_THAT(texts_of(request, "a [cat:bird:0.5]", {{.steps = 4}}), ElementsAre("a cat", "a bird", "blurry"));
  request.guidance_scale = 1.0;
  EXPECT_THAT(texts_of(request, "a bird", {{.steps = 4}}), ElementsAre("a bird"));
  EXPECT_THAT(texts_of(request, "a [bird:boat:1.5]", {{.steps = 4}, {.steps = 4, .second_pass_steps = 4}}),
              ElementsAre("a bird", "a bird", "a boat"));
  EXPECT_EQ(words_of(request, "a (red:1.3) [bird] BREAK \\(x\\)"), "a  red   bird  (x) ");
}

// Each vector times its weight, and the mean of all as before.
TEST(PromptEncoder, WeightsKeepTheMean) {
  const Device& device = cpu_device();
  const Model model({.checkpoint = golden_path("models/sd1-tiny.ckpt")});
  PromptEncoder prompts(Tokenizer::open(require_asset(kBpeMerges)));
  const auto quiet = [](const std::string&) {};
  const auto encoded = [&](const std::string& text) {
    prompts.prepare(model, device, {text}, {.plain = false}, quiet);
    return prompts[text].values();
  };
  const std::vector<float> plain = encoded("red bird"), strong = encoded("(red:2) bird");
  const auto mean = [](const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  EXPECT_NEAR(mean(strong), mean(plain),
              tolerance(DType::f32, static_cast<int64_t>(plain.size())) * std::abs(mean(plain)));
  const auto width = static_cast<size_t>(model.text_encoder().config().width);
  const float restore = strong[0] / plain[0];
  for (size_t i = 0; i < plain.size(); ++i) {
    const float weight = i / width == 1 ? 2.0f : 1.0f;  // the token after the start
    ASSERT_NEAR(strong[i], plain[i] * weight * restore, 1e-5f * (1.0f + std::abs(plain[i]))) << i;
  }
}

}  // namespace
}  // namespace easel::testing
