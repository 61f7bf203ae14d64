#include "easel/pipeline/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"
#include "easel/image/infotext.h"
#include "easel/image/watermark.h"
#include "easel/pipeline/assets.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Pipeline open(const std::string& model) {
  return Pipeline({.checkpoint = golden_path("models/" + model), .threads = 2});
}

Request small_request() {
  Request request;
  request.prompt = "a red bird on a branch";
  request.width_px = 64;
  request.height_px = 64;
  request.steps = 2;
  request.seed = 5;
  return request;
}

class NoisySampler : public ::testing::TestWithParam<const char*> {};

TEST_P(NoisySampler, ImageOfABatchIsTheSingleImageOfItsSeed) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.sampler = GetParam();
  request.eta = 1.0;  // noise at every step
  request.batch_size = 3;
  const Result batch = pipeline.generate(request);
  ASSERT_THAT(batch.images, SizeIs(3));
  request.batch_size = 1;
  for (size_t i = 0; i < 3; ++i) {
    request.seed = 5 + i;
    const Result single = pipeline.generate(request);
    EXPECT_EQ(batch.images[i].seed, 5 + i);
    const auto a = batch.images[i].image.bytes(), b = single.images[0].image.bytes();
    for (size_t k = 0; k < a.size(); ++k) ASSERT_NEAR(a[k], b[k], 1) << "byte " << k;  // products of another size
  }
}

// The last one draws its noise from a Brownian motion.
INSTANTIATE_TEST_SUITE_P(Samplers, NoisySampler, ::testing::Values("ddim", "euler_ancestral", "dpmpp_2m_sde"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Pipeline, TheSameRequestGivesTheSameBytes) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  const Result first = pipeline.generate(small_request());
  EXPECT_EQ(first.images[0].image, pipeline.generate(small_request()).images[0].image);
  EXPECT_EQ(first.images[0].image, open("sd1-tiny.ckpt").generate(small_request()).images[0].image);
}

TEST(Pipeline, TheNumberOfThreadsChangesNothing) {
  Request request = small_request();
  request.prompt = "a red bird";
  request.sampler = "dpmpp_2m";
  const auto drawn = [&](int threads) {
    return Pipeline({.checkpoint = require_asset(kStarterModel), .threads = threads}).generate(request).images[0].image;
  };
  const Image with_one = drawn(1);
  EXPECT_EQ(drawn(2), with_one);
  EXPECT_EQ(drawn(3), with_one);
}

TEST(Pipeline, FixedCodeRepeatsTheStart) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.batch_count = 2;
  request.fixed_code = true;
  for (const NoiseOrder order : {NoiseOrder::per_image, NoiseOrder::compvis}) {
    request.noise_order = order;
    const Result result = pipeline.generate(request);
    EXPECT_EQ(result.images[0].image, result.images[1].image);
  }
  request.fixed_code = false;
  for (const NoiseOrder order : {NoiseOrder::per_image, NoiseOrder::compvis}) {
    request.noise_order = order;
    const Result result = pipeline.generate(request);
    EXPECT_NE(result.images[0].image, result.images[1].image);
  }
}

TEST(Pipeline, ParametersSayHowToMakeTheImageAgain) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.negative_prompt = "blurry";
  request.eta = 0.5;
  const Result result = pipeline.generate(request);
  const Infotext text = parse_infotext(result.images[0].parameters);
  EXPECT_EQ(text.prompt, "a red bird on a branch");
  EXPECT_EQ(text.negative_prompt, "blurry");
  EXPECT_EQ(text.find("Steps"), "2");
  EXPECT_EQ(text.find("Sampler"), "ddim");
  EXPECT_EQ(text.find("Schedule type"), "ddim");
  EXPECT_EQ(text.find("CFG scale"), "7.5");
  EXPECT_EQ(text.find("Seed"), "5");
  EXPECT_EQ(text.find("Size-1"), "64");
  EXPECT_EQ(text.find("Model"), "sd1-tiny");
  EXPECT_EQ(text.find("Model hash"), "e783785e82");  // of sha256sum
  EXPECT_EQ(text.find("Eta"), "0.5");
  EXPECT_THAT(text.find("Version").value_or(""), HasSubstr("easel"));
}

TEST(Pipeline, ATiledImageDiffersAndSaysSo) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  const GeneratedImage plain = pipeline.generate(small_request()).images[0];
  Request request = small_request();
  request.tiling = true;
  const GeneratedImage tiled = pipeline.generate(request).images[0];
  EXPECT_NE(tiled.image, plain.image);
  EXPECT_EQ(parse_infotext(tiled.parameters).find("Tiling"), "True");
  EXPECT_EQ(parse_infotext(plain.parameters).find("Tiling"), std::nullopt);
  EXPECT_EQ(pipeline.generate(small_request()).images[0].image, plain.image);  // it stays with its request
}

TEST(Pipeline, IntermediateImagesAreToldForEachImageOfABatch) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.steps = 4;
  request.batch_size = 2;
  request.batch_count = 2;
  std::vector<std::string> told;
  std::vector<Image> estimates;
  const auto on_intermediate = [&](const IntermediateImage& image) {
    told.push_back(fmt::format("{} of seed {} at {}", image.index, image.estimate.seed, image.step));
    estimates.push_back(image.estimate.image);
  };
  const Result result = pipeline.generate(request, {.on_intermediate = on_intermediate, .intermediate_every = 2});
  EXPECT_THAT(told,
              ::testing::ElementsAre("0 of seed 5 at 2", "1 of seed 6 at 2", "2 of seed 7 at 2", "3 of seed 8 at 2"));
  EXPECT_NE(estimates[0], estimates[1]);
  EXPECT_NE(estimates[0], result.images[0].image);
  EXPECT_EQ(pipeline.generate(request).images[3].image, result.images[3].image);  // looking changes nothing
}

TEST(Pipeline, IntermediateImagesGoOnInTheSecondPass) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.steps = 4;
  request.hires_scale = 2.0;
  request.hires_strength = 1.0;
  std::vector<std::string> told;
  pipeline.generate(request, {.on_intermediate =
                                  [&](const IntermediateImage& i) {
                                    told.push_back(fmt::format("{}: {}", i.step, i.estimate.image.width_px()));
                                  },
                              .intermediate_every = 3});
  EXPECT_THAT(told, ::testing::ElementsAre("3: 64", "6: 128"));
}

// DDIM's last step gives its estimate of the clean image; the estimate before it is close, and early ones are not.
TEST(Pipeline, IntermediateImagesComeNearTheImage) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.steps = 10;
  std::vector<Image> estimates;
  const Result result = pipeline.generate(
      request, {.on_intermediate = [&](const IntermediateImage& i) { estimates.push_back(i.estimate.image); }});
  ASSERT_THAT(estimates, SizeIs(9));
  const auto distance = [&](const Image& image) {
    double sum = 0;
    for (size_t i = 0; i < image.bytes().size(); ++i) {
      sum += std::abs(image.bytes()[i] - result.images[0].image.bytes()[i]);
    }
    return sum;
  };
  EXPECT_LT(distance(estimates.back()), distance(estimates.front()) / 2);
}

TEST(Pipeline, RefusesIntermediateImagesThatNeverCome) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  for (const int64_t every : {-1, 0, 2, 3}) {
    try {
      pipeline.generate(small_request(),
                        {.on_intermediate = [](const IntermediateImage&) {}, .intermediate_every = every});
      FAIL() << every;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_request);
      EXPECT_THAT(error.what(), HasSubstr(fmt::format("intermediate images every {} steps", every)));
    }
  }
}

TEST(Pipeline, CompletedRequestsAreCheckedAsDrawnOnes) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  const Request request = pipeline.completed({.prompt = "x"});
  EXPECT_EQ(request.width_px, 512);
  EXPECT_EQ(request.sampler, "ddim");
  EXPECT_EQ(request.seed, std::nullopt);
  EXPECT_THROW(pipeline.completed({.sampler = "euler", .eta = 0.5}), Error);
  EXPECT_THROW(pipeline.completed({.width_px = 8192, .height_px = 8192, .batch_size = 64}), Error);
}

TEST(Pipeline, WatermarkIsWrittenWhereItFits) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  EXPECT_FALSE(pipeline.generate(request).images[0].watermarked);  // 64x64 is too small
  request.width_px = request.height_px = 256;
  request.steps = 1;
  const GeneratedImage marked = pipeline.generate(request).images[0];
  EXPECT_TRUE(marked.watermarked);
  const std::string_view text = kWatermarkSd1;
  EXPECT_GE(match_watermark(marked.image, std::span(&text, 1))->agreement, 0.9);
  request.watermark = false;
  const GeneratedImage plain = pipeline.generate(request).images[0];
  EXPECT_FALSE(plain.watermarked);
  EXPECT_NE(plain.image, marked.image);
}

TEST(Pipeline, WordsThatDoNotFitAreTold) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.plain_prompt = true;
  request.prompt = "bird";
  for (int i = 1; i < 75; ++i) request.prompt += " bird";
  EXPECT_THAT(pipeline.generate(request).warnings, IsEmpty());
  request.prompt += " lastword";
  const Result result = pipeline.generate(request);
  ASSERT_THAT(result.warnings, SizeIs(1));
  EXPECT_THAT(result.warnings[0], HasSubstr("left out: \"lastword\""));
}

TEST(Pipeline, RandomWeightsDoNotTellTheirPrediction) {
  Pipeline pipeline = open("sd2-tiny.safetensors");
  EXPECT_EQ(pipeline.model().prediction, "unknown");
  const Result result = pipeline.generate(small_request());
  EXPECT_EQ(pipeline.model().prediction, "v");
  ASSERT_THAT(result.warnings, SizeIs(1));
  EXPECT_THAT(result.warnings[0], HasSubstr("--prediction"));
}

TEST(Pipeline, OpenSettingsComeFromMetadata) {
  const auto original = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  const TemporaryFolder folder;
  const auto file = folder.path() / "starter.safetensors";
  write_safetensors(file, original->tensors(),
                    {{"easel.width", "128"},
                     {"easel.height", "64"},
                     {"easel.steps", "3"},
                     {"easel.cfg_scale", "4.5"},
                     {"easel.sampler", "euler"},
                     {"easel.schedule", "karras"}});
  const Result result = Pipeline({.checkpoint = file}).generate({.prompt = "x"});
  EXPECT_EQ(result.request.width_px, 128);
  EXPECT_EQ(result.request.height_px, 64);
  EXPECT_EQ(result.request.steps, 3);
  EXPECT_EQ(result.request.guidance_scale, 4.5);
  EXPECT_EQ(result.request.sampler, "euler");
  EXPECT_EQ(result.request.schedule, "karras");

  write_safetensors(file, original->tensors(), {{"easel.steps", "many"}});
  EXPECT_THROW(Pipeline({.checkpoint = file}).generate({.prompt = "x"}), Error);
}

TEST(Pipeline, WordsASmallModelNeverSawAreTold) {
  const auto original = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  const TemporaryFolder folder;
  const auto file = folder.path() / "starter.safetensors";
  write_safetensors(file, original->tensors(), {{"easel.vocabulary", "a,red,bird"}});
  Pipeline pipeline({.checkpoint = file});
  Request request = small_request();
  request.prompt = "A red bird, a Dragon!";
  EXPECT_THAT(pipeline.generate(request).warnings,
              ::testing::ElementsAre("this small model never saw: dragon; it knows the words a, red, bird"));
  request.prompt = "Red bird";
  EXPECT_THAT(pipeline.generate(request).warnings, IsEmpty());
}

TEST(Pipeline, SkipLeavesOneBatchOut) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.batch_count = 3;
  request.seed = 5;
  const Result all = pipeline.generate(request);
  const SkipToken skip;
  skip.skip();  // before the first batch: meant for none
  const auto skip_second = [&](const JobProgress& progress) {
    if (progress.batch == 1 && progress.stage == Stage::sampling && progress.step == 0) skip.skip();
  };
  const Result result = pipeline.generate(request, {.on_progress = skip_second, .skip = skip});
  ASSERT_THAT(result.images, SizeIs(2));
  EXPECT_EQ(result.images[0].image, all.images[0].image);
  EXPECT_EQ(result.images[1].image, all.images[2].image);
  EXPECT_EQ(result.images[1].seed, 7u);
  EXPECT_THAT(result.warnings, ::testing::ElementsAre("batch 2 of 3 was skipped"));
}

TEST(Pipeline, SkipKeepsImagesThatAreFinished) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.batch_size = 2;
  request.batch_count = 3;
  request.seed = 5;
  const SkipToken skip;
  std::vector<uint64_t> seeds;
  const auto keep = [&](const GeneratedImage& image) {
    seeds.push_back(image.seed);
    if (image.seed == 5) skip.skip();  // the other image of its batch is drawn already
  };
  const auto skip_last = [&](const JobProgress& progress) {
    if (progress.batch == 2 && progress.stage == Stage::sampling && progress.step == 0) skip.skip();
  };
  const Result result = pipeline.generate(request, {.on_progress = skip_last, .on_image = keep, .skip = skip});
  EXPECT_THAT(seeds, ::testing::ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(result.images, SizeIs(4));
  EXPECT_THAT(result.warnings, ::testing::ElementsAre("batch 3 of 3 was skipped"));
}

TEST(Pipeline, CancelEndsTheJobAndKeepsFinishedImages) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  Request request = small_request();
  request.batch_count = 3;
  const CancelToken cancel;
  int images = 0;
  try {
    pipeline.generate(request, {.on_image =
                                    [&](const GeneratedImage&) {
                                      ++images;
                                      cancel.cancel();
                                    },
                                .cancel = cancel});
    FAIL() << "the job went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
  EXPECT_EQ(images, 1);
  EXPECT_THAT(pipeline.generate(small_request()).images, SizeIs(1));  // and it can be used again
}

TEST(Pipeline, ProgressCountsStepsAndImages) {
  Pipeline pipeline = open("sd1-tiny.ckpt");
  std::vector<std::string> told;
  pipeline.generate(small_request(), {.on_progress = [&](const JobProgress& p) {
                      told.push_back(fmt::format("{} {}/{}", name_of(p.stage), p.step, p.steps));
                    }});
  EXPECT_THAT(told, ::testing::ElementsAre("text 0/1", "text 1/1", "sampling 0/2", "sampling 1/2", "sampling 2/2",
                                           "decoding 0/1", "decoding 1/1"));
}

}  // namespace
}  // namespace easel::testing
