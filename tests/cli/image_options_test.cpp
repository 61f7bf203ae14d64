// --tiling, --plot, --like and --save-every, as a person uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "easel/base/file.h"
#include "easel/image/codec.h"
#include "tests/cli/easel_process.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class ImageOptions : public ::testing::Test {
 protected:
  Finished easel(std::vector<std::string> arguments) const {
    return run_easel(arguments, {.directory = folder_.path()});
  }
  Finished draw(const std::vector<std::string>& extra) const {
    std::vector<std::string> arguments = {"txt2img", "--ckpt", model(), "a red bird", "--steps", "4",
                                          "--W",     "64",     "--H",   "64",         "--seed",  "7"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return easel(arguments);
  }
  void expect_refused(const std::vector<std::string>& extra, const std::string& text) const {
    const Finished finished = draw(extra);
    EXPECT_EQ(finished.status, 2) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(text));
    EXPECT_THAT(finished.out, IsEmpty());
  }

  static std::string model() { return golden_path("models/sd1-tiny.ckpt").string(); }
  std::string content(const std::string& name) const { return read_text_file(folder_ / name, 1 << 24); }
  Image image(const std::string& name) const { return load_image(folder_ / name).image; }
  std::vector<std::string> names(const std::string& folder) const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / folder)) {
      out.push_back(entry.path().filename());
    }
    return out;
  }

  TemporaryFolder folder_;
};

// How much more the opposite edges differ than neighbours do.
double seam(const Image& image) {
  const auto difference = [&](int64_t x_a, int64_t x_b) {
    double sum = 0;
    for (int64_t y = 0; y < image.height_px(); ++y) {
      for (int c = 0; c < 3; ++c) sum += std::abs(image.pixel(x_a, y)[c] - image.pixel(x_b, y)[c]);
    }
    return sum;
  };
  double neighbours = 0;
  for (int64_t x = 1; x < image.width_px(); ++x) neighbours += difference(x - 1, x);
  return difference(image.width_px() - 1, 0) * static_cast<double>(image.width_px() - 1) / neighbours;
}

// The starter model draws a landscape, whose left edge knows nothing of the right one.
TEST_F(ImageOptions, TilingLeavesNoSeam) {
  const std::vector<std::string> house = {"txt2img", "a red house at sunset", "--steps", "8", "--seed", "1"};
  const auto drawn = [&](const std::string& file, const std::vector<std::string>& extra) {
    std::vector<std::string> arguments = house;
    arguments.insert(arguments.end(), {"-o", file});
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    EXPECT_EQ(easel(arguments).status, 0);
    return image(file);
  };
  EXPECT_GT(seam(drawn("plain.png", {})), 2.0);
  EXPECT_LT(seam(drawn("tiled.png", {"--tiling"})), 1.5);
  EXPECT_THAT(easel({"info", "tiled.png"}).out, HasSubstr("Tiling: True"));
}

TEST_F(ImageOptions, PlotSavesASheetAndItsImages) {
  const Finished finished = draw({"--plot", "steps=1,2", "--plot", "prompt=red|blue, green", "--outdir", "out"});
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("out/plot-0000.png"));
  EXPECT_THAT(names("out"),
              UnorderedElementsAre("00000-7.png", "00001-7.png", "00002-7.png", "00003-7.png", "plot-0000.png"));
  EXPECT_THAT(easel({"info", "out/00003-7.png"}).out, AllOf(HasSubstr("a blue, green bird"), HasSubstr("Steps: 2")));
  EXPECT_GT(image("out/plot-0000.png").width_px(), 2 * 64);
}

TEST_F(ImageOptions, PlotAlone) {
  EXPECT_EQ(draw({"--plot", "seed=1-3", "--skip_save", "--outdir", "out"}).status, 0);
  EXPECT_THAT(names("out"), UnorderedElementsAre("plot-0000.png"));
  const Finished finished = draw({"--plot", "seed=1-2", "-o", "sheet.webp", "--json", "-q"});
  const Json json = Json::parse(finished.out);
  EXPECT_EQ(json["plot"], "sheet.webp");
  EXPECT_EQ(json["images"].size(), 2U);
  EXPECT_EQ(json["images"][1]["seed"], 2);
  EXPECT_GT(image("sheet.webp").width_px(), 2 * 64);
}

TEST_F(ImageOptions, PlotsThatMakeNoSense) {
  expect_refused({"--plot", "step=1,2"}, "did you mean 'steps'?");
  expect_refused({"--plot", "steps=0"}, "steps is 0, expected 1 to 1000");
  expect_refused({"--plot", "steps=1", "--n_samples", "2"}, "for one image");
  expect_refused({"--plot", "steps=1", "--skip_grid"}, "--plot makes a sheet instead of the grid");
  expect_refused({"--plot", "sampler=ddim,euler", "--eta", "0.5"}, "the sampler euler adds no noise");
  expect_refused({"--plot", "seed=1-300", "--plot", "width=2048"}, "a sheet of 300 images would have");
  EXPECT_THAT(names("outputs/txt2img"), IsEmpty());
  const Finished finished =
      run_easel({"txt2img", "x", "--ckpt", model(), "--plot", "steps=1", "--outdir", folder_ / "out"},
                {.environment = {"EASEL_FONT=/nowhere/font.ttf"}});
  EXPECT_EQ(finished.status, 3);
  EXPECT_THAT(finished.err, HasSubstr("/nowhere/font.ttf: there is no such font file"));
}

TEST_F(ImageOptions, LikeDrawsTheSameImageAgain) {
  ASSERT_EQ(draw({"--negative-prompt", "blurry, bad", "--sampler", "euler_a", "--schedule", "karras", "--eta", "0.5",
                  "--rng", "gpu", "--scale", "3.5", "--tiling", "-o", "first.png"})
                .status,
            0);
  const Finished again = easel({"txt2img", "--ckpt", model(), "--like", "first.png", "-o", "again.png"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, Not(HasSubstr("warning")));
  EXPECT_EQ(content("again.png"), content("first.png"));
}

TEST_F(ImageOptions, LikeNeedsTheInitialImageToo) {
  ASSERT_EQ(draw({"-o", "start.png"}).status, 0);
  const std::vector<std::string> img2img = {"img2img", "--ckpt", model(), "--init-img", "start.png"};
  const auto draw_from = [&](const std::vector<std::string>& extra) {
    std::vector<std::string> arguments = img2img;
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return easel(arguments);
  };
  ASSERT_EQ(
      draw_from({"a blue bird", "--strength", "0.6", "--steps", "5", "--strength-mode", "diffusers", "-o", "first.png"})
          .status,
      0);
  const Finished again = draw_from({"--like", "first.png", "-o", "again.png"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, Not(HasSubstr("warning")));
  EXPECT_EQ(content("again.png"), content("first.png"));
  const Finished other = easel({"txt2img", "--ckpt", model(), "--like", "first.png", "-o", "other.png"});
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_THAT(other.err, AllOf(HasSubstr("drawn from another image, by 'easel img2img'"),
                               HasSubstr("left out: Denoising strength: 0.6, Strength mode: diffusers")));
}

TEST_F(ImageOptions, OptionsWinOverLike) {
  ASSERT_EQ(
      draw({"--sampler", "ddim", "--eta", "0.5", "--rng", "gpu", "--batch-noise", "compvis", "-o", "first.jpg"}).status,
      0);
  const Finished finished =
      easel({"txt2img", "--ckpt", model(), "--steps", "2", "--rng", "cpu", "--batch-noise", "per-image", "--sampler",
             "euler", "a blue bird", "--like", "first.jpg", "-o", "second.png", "--json", "-q"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  const Json request = Json::parse(finished.out)["request"];
  EXPECT_EQ(request["prompt"], "a blue bird");
  EXPECT_EQ(request["steps"], 2);
  EXPECT_EQ(request["rng"], "cpu");
  EXPECT_EQ(request["batch_noise"], "per-image");
  EXPECT_EQ(request["seed"], 7);
  EXPECT_EQ(request["width"], 64);
  EXPECT_EQ(request["sampler"], "euler");
  EXPECT_EQ(request["schedule"], "discrete");  // the sampler's, not that of ddim
  EXPECT_FALSE(request.contains("eta"));
}

TEST_F(ImageOptions, LikeTellsWhatItCannotTake) {
  save_image(folder_ / "other.png", Image(16, 16),
             {.parameters = "a cat\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 3, Size: 64x64, Model hash: "
                            "6ce0161689, Model: v1-5, ENSD: 2"});
  const Finished drawn = easel({"txt2img", "--ckpt", model(), "--like", "other.png", "-o", "a.png"});
  EXPECT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_THAT(drawn.err, AllOf(HasSubstr("'easel txt2img' does not have are left out: ENSD: 2"),
                               HasSubstr("made with the model v1-5 (6ce0161689), but sd1-tiny")));
  save_image(folder_ / "plain.png", Image(16, 16));
  expect_refused({"--like", "plain.png"}, "plain.png: holds no settings of its making");
  save_image(folder_ / "odd.png", Image(16, 16),
             {.parameters = "a cat\nSteps: 2, Sampler: Magic, Seed: 3, Size: 64x64"});
  const Finished odd = easel({"txt2img", "--ckpt", model(), "--like", "odd.png"});
  EXPECT_EQ(odd.status, 2);
  EXPECT_THAT(odd.err, HasSubstr("Magic"));
  EXPECT_EQ(easel({"txt2img", "--ckpt", model(), "--like", "odd.png", "--sampler", "ddim", "-o", "b.png"}).status, 0);
  EXPECT_EQ(easel({"txt2img", "--like", "none.png"}).status, 3);
}

TEST_F(ImageOptions, SaveEveryKeepsTheNumberOfItsImage) {
  const Finished finished = draw({"--save-every", "2", "--n_samples", "2", "--outdir", "out", "--skip_grid"});
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(names("out"),
              UnorderedElementsAre("00000-7-step-002.png", "00000-7.png", "00001-8-step-002.png", "00001-8.png"));
  EXPECT_EQ(draw({"--save-every", "1", "--outdir", "out"}).status, 0);
  EXPECT_THAT(names("out"),
              AllOf(::testing::Contains("00002-7-step-001.png"), ::testing::Contains("00002-7-step-003.png"),
                    ::testing::Contains("00002-7.png"), ::testing::SizeIs(8)));
}

TEST_F(ImageOptions, SaveEveryBesideANamedFile) {
  const Finished finished = draw({"--save-every", "2", "-o", "bird.jpg", "--json"});
  EXPECT_EQ(Json::parse(finished.out)["intermediates"], Json({"bird-step-002.jpg"}));
  EXPECT_EQ(image("bird-step-002.jpg").size(), (Size{64, 64}));
  expect_refused({"--save-every", "0"}, "intermediate images every 0 steps");
  expect_refused({"--save-every", "4"}, "every 4 steps, expected 1 or more, and fewer than the 4 steps");
  expect_refused({"--save-every", "2", "--skip_save"}, "--save-every writes single images");
  expect_refused({"--preview-vae", "taesd.pth"}, "--preview-vae decodes the unfinished images of --save-every N");
}

}  // namespace
}  // namespace easel::testing
