// Plots: what an axis may say, which requests come of it, and one sheet of the images.
#include "easel/pipeline/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Request base_request() {
  Request request;
  request.prompt = "a red bird";
  request.negative_prompt = "blurry red";
  request.width_px = 64;
  request.height_px = 64;
  request.steps = 2;
  request.seed = 5;
  return request;
}

Plot plan(const std::vector<std::string>& axes, const Request& request = base_request()) {
  return plan_plot(request, axes);
}

std::string refusal(const std::vector<std::string>& axes, const Request& request = base_request()) {
  try {
    plan(axes, request);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    return error.what();
  }
  return "nothing was refused";
}

std::vector<int64_t> steps_of(const std::string& axis) {
  std::vector<int64_t> out;
  for (const Request& cell : plan({axis}).cells) out.push_back(*cell.steps);
  return out;
}

TEST(Plot, TheFirstAxisChangesFastest) {
  const Plot plot = plan({"steps=1,2", "cfg=3,7.5", "sampler=euler,ddim"});
  std::vector<std::string> cells;
  for (const Request& cell : plot.cells) {
    cells.push_back(fmt::format("{} {} {}", *cell.steps, *cell.guidance_scale, *cell.sampler));
  }
  EXPECT_THAT(cells, ElementsAre("1 3 euler", "2 3 euler", "1 7.5 euler", "2 7.5 euler", "1 3 ddim", "2 3 ddim",
                                 "1 7.5 ddim", "2 7.5 ddim"));
  EXPECT_THAT(plot.labels.columns, ElementsAre("steps 1", "steps 2"));
  EXPECT_THAT(plot.labels.rows, ElementsAre("cfg 3", "cfg 7.5"));
  EXPECT_THAT(plot.labels.pages, ElementsAre("euler", "ddim"));
}

TEST(Plot, AbsentAxesHaveNoLabel) {
  const Plot plot = plan({"seed=1-3"});
  EXPECT_THAT(plot.labels.rows, ElementsAre(""));
  EXPECT_THAT(plot.labels.pages, ElementsAre(""));
}

TEST(Plot, ReadsRanges) {
  EXPECT_THAT(steps_of("steps=1-4"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(steps_of("steps=10-50:10"), ElementsAre(10, 20, 30, 40, 50));
  EXPECT_THAT(steps_of("steps=10-55:10, 3 ,7-8"), ElementsAre(10, 20, 30, 40, 50, 3, 7, 8));
  EXPECT_THAT(steps_of("steps=7-7"), ElementsAre(7));
  EXPECT_THAT(plan({"cfg=-1-0:0.5"}).labels.columns, ElementsAre("cfg -1", "cfg -0.5", "cfg 0"));
  EXPECT_THAT(plan({"eta=0-0.3:0.1"}).labels.columns, ElementsAre("eta 0", "eta 0.1", "eta 0.2", "eta 0.3"));
}

TEST(Plot, EveryAxisSetsItsValue) {
  EXPECT_EQ(plan({"schedule=karras"}).cells[0].schedule, "karras");
  EXPECT_EQ(plan({"eta=0.5"}).cells[0].eta, 0.5);
  EXPECT_EQ(plan({"width=128"}).cells[0].width_px, 128);
  EXPECT_EQ(plan({"H=192"}).cells[0].height_px, 192);
  EXPECT_EQ(plan({"seed=18446744073709551615"}).cells[0].seed, 18446744073709551615u);
  EXPECT_EQ(plan({"CFG_scale=4"}).cells[0].guidance_scale, 4.0);
}

TEST(Plot, StrengthIsAnAxisWhereThereIsAnImage) {
  Request request = base_request();
  request.task = Task::img2img;
  request.init_image = Image(64, 64, {1, 2, 3});
  const Plot plot = plan({"strength=0.5-0.7:0.1"}, request);
  EXPECT_THAT(plot.labels.columns, ElementsAre("strength 0.5", "strength 0.6", "strength 0.7"));
  EXPECT_EQ(plot.cells[1].strength, 0.6);
  EXPECT_EQ(plot.cells[1].init_image, std::nullopt);
  EXPECT_EQ(plot.complete_cell(1).init_image, request.init_image);
  EXPECT_THAT(refusal({"strength=0.5"}), HasSubstr("strength is given, but it is for an initial image"));
}

TEST(Plot, ReplacesTextInBothPrompts) {
  const Plot plot = plan({"prompt=red|dark, deep blue|"});
  ASSERT_THAT(plot.cells, SizeIs(3));
  EXPECT_EQ(plot.cells[0].prompt, "a red bird");
  EXPECT_EQ(plot.cells[1].prompt, "a dark, deep blue bird");
  EXPECT_EQ(plot.cells[1].negative_prompt, "blurry dark, deep blue");
  EXPECT_EQ(plot.cells[2].prompt, "a  bird");
  EXPECT_THAT(plot.labels.columns, ElementsAre("red", "dark, deep blue", ""));
}

TEST(Plot, PromptMayBeAnAxisTwice) {
  const Plot plot = plan({"prompt=red,blue", "prompt=bird,cat"});
  EXPECT_EQ(plot.cells[3].prompt, "a blue cat");
}

TEST(Plot, ABackslashTakesASeparatorAsItIs) {
  Request request = base_request();
  request.prompt = "[a|b], c\\d";
  EXPECT_EQ(plan({R"(prompt=a\|b\, is no word,b)"},
                 [&] {
                   Request r = request;
                   r.prompt = "x a|b, is no word";
                   return r;
                 }())
                .cells[1]
                .prompt,
            "x b");
  EXPECT_EQ(plan({R"(prompt=c\\d|e)"}, request).cells[1].prompt, "[a|b], e");
  EXPECT_EQ(plan({R"(prompt=a\|b|z)"}, request).cells[1].prompt, "[z], c\\d");
}

TEST(Plot, AllCellsShareARandomSeed) {
  Request request = base_request();
  request.seed.reset();
  const Plot plot = plan({"steps=1,2,3"}, request);
  ASSERT_TRUE(plot.cells[0].seed.has_value());
  EXPECT_EQ(plot.cells[1].seed, plot.cells[0].seed);
  EXPECT_EQ(plot.cells[2].seed, plot.cells[0].seed);
}

TEST(Plot, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THAT(refusal({"step=1,2"}), HasSubstr("there is no axis 'step'; did you mean 'steps'?"));
  EXPECT_THAT(refusal({"xyz=1"}), HasSubstr("there are steps, cfg"));
  EXPECT_THAT(refusal({"steps"}), HasSubstr("plot 'steps': expected NAME=VALUES"));
  EXPECT_THAT(refusal({"steps="}), HasSubstr("plot steps: a value is empty"));
  EXPECT_THAT(refusal({"steps=1,,2"}), HasSubstr("plot steps: a value is empty"));
  EXPECT_THAT(refusal({"prompt=|blue"}), HasSubstr("plot prompt: a value is empty"));
  EXPECT_THAT(refusal({"steps=ten"}), HasSubstr("plot steps=ten: 'ten' is no whole number"));
  EXPECT_THAT(refusal({"steps=1.5"}), HasSubstr("'1.5' is no whole number"));
  EXPECT_THAT(refusal({"steps=0"}), HasSubstr("plot steps=0: steps is 0, expected 1 to 1000"));
  EXPECT_THAT(refusal({"cfg=nan"}), HasSubstr("cfg scale is nan"));
  EXPECT_THAT(refusal({"seed=-1"}), HasSubstr("'-1' is no whole number from 0 on"));
  EXPECT_THAT(refusal({"sampler=eulr"}), HasSubstr("did you mean 'euler'?"));
  EXPECT_THAT(refusal({"width=100"}), HasSubstr("plot width=100: width is 100, expected a multiple of 64"));
  EXPECT_THAT(refusal({"prompt=green,blue"}), HasSubstr("\"green\", the first value, is what the others replace"));
  EXPECT_THAT(refusal({"steps=9-3"}), HasSubstr("the range '9-3' is empty"));
  EXPECT_THAT(refusal({"steps=1-9:0"}), HasSubstr("the range '1-9:0' is empty"));
  EXPECT_THAT(refusal({"seed=1-99999999999"}), HasSubstr("holds more than 1000 values"));
  EXPECT_THAT(refusal({"seed=0-inf"}), HasSubstr("holds more than 1000 values"));
  EXPECT_THAT(refusal({"seed=1-100", "steps=1-11"}), HasSubstr("1100 images, expected at most 1000"));
  EXPECT_THAT(refusal({"steps=1", "steps=2"}), HasSubstr("the axis steps is given twice"));
  EXPECT_THAT(refusal({"steps=1", "cfg=1", "eta=0", "seed=1"}), HasSubstr("4 axes, expected at most 3"));
  Request long_prompt = base_request();
  long_prompt.prompt = std::string(60'000, 'a');
  EXPECT_THAT(refusal({"prompt=a|" + std::string(60'000, 'b')}, long_prompt), HasSubstr("expected at most 65536"));
  Request two = base_request();
  two.batch_size = 2;
  EXPECT_THAT(refusal({"steps=1"}, two), HasSubstr("for one image"));
}

class DrawnPlots : public ::testing::Test {
 protected:
  Pipeline pipeline_{{.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = 2}};
};

TEST_F(DrawnPlots, HoldTheImagesOfTheirCells) {
  const Plot plot = plan({"width=64,128", "seed=1,2"});
  std::vector<std::string> batches;
  int64_t images = 0;
  const DrawnPlot drawn = draw_plot(pipeline_, plot,
                                    {.on_progress =
                                         [&](const JobProgress& p) {
                                           if (p.stage == Stage::text && p.step == 0) {
                                             batches.push_back(fmt::format("{}/{}", p.batch, p.batches));
                                           }
                                         },
                                     .on_image = [&](const GeneratedImage&) { ++images; }});
  EXPECT_EQ(images, 4);
  EXPECT_THAT(batches, ElementsAre("0/4", "1/4", "2/4", "3/4"));
  const SheetLayout layout = lay_out_sheet(plot.labels, {128, 64});
  std::vector<Image> expected;
  for (const Request& cell : plot.cells) expected.push_back(pipeline_.generate(cell).images[0].image);
  EXPECT_EQ(drawn.sheet, draw_sheet(layout, expected));
  EXPECT_EQ(drawn.result.images[2].seed, 2u);
  EXPECT_EQ(drawn.result.times.network_steps, 4 * 2);
}

TEST_F(DrawnPlots, AFaultOfTheLastCellShowsBeforeTheFirstIsDrawn) {
  int64_t images = 0;
  Request request = base_request();
  request.eta = 0.5;
  try {
    draw_plot(pipeline_, plan({"sampler=ddim,euler"}, request), {.on_image = [&](const GeneratedImage&) { ++images; }});
    FAIL() << "euler has no eta";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the sampler euler adds no noise"));
  }
  EXPECT_EQ(images, 0);
  request.width_px = request.height_px = 4096;
  request.eta.reset();
  EXPECT_THROW(
      draw_plot(pipeline_, plan({"seed=1-10"}, request), {.on_image = [&](const GeneratedImage&) { ++images; }}),
      Error);
  EXPECT_EQ(images, 0);
}

}  // namespace
}  // namespace easel::testing
