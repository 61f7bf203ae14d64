// Commands that draw nothing, and where images go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "easel/image/codec.h"
#include "tests/cli/easel_process.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class Commands : public ::testing::Test {
 protected:
  Finished draw(const std::vector<std::string>& extra) const {
    std::vector<std::string> arguments = {"txt2img", "--ckpt", golden_path("models/sd1-tiny.ckpt").string(), "--prompt",
                                          "a red bird"};
    const std::vector<std::pair<std::string, std::string>> defaults = {{"--steps", "1"}, {"--W", "64"}, {"--H", "64"}};
    for (const auto& [option, value] : defaults) {
      const bool given = std::find(extra.begin(), extra.end(), option) != extra.end();
      if (!given) arguments.insert(arguments.end(), {option, value});
    }
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return run_easel(arguments, {.directory = folder_.path()});
  }

  std::vector<std::string> names(const std::string& folder) const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / folder)) {
      out.push_back(entry.path().filename());
    }
    return out;
  }

  TemporaryFolder folder_;
};

TEST_F(Commands, VersionAndHelp) {
  EXPECT_THAT(run_easel({"--version"}).out, StartsWith("easel "));
  const Finished help = run_easel({"txt2img", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--ddim_steps"), HasSubstr("--cfg-scale"), HasSubstr("--from-file")));
  EXPECT_EQ(run_easel({}).status, 2);
}

TEST_F(Commands, MessagesAreShownFromTheChosenLevelOn) {
  const std::vector<std::string> draw = {"txt2img", "--prompt", "a bird", "--steps", "1", "-o"};
  const auto drawn = [&](const std::string& level) {
    std::vector<std::string> arguments = draw;
    arguments.push_back((folder_ / (level + ".png")).string());
    return run_easel(arguments, {.environment = {"EASEL_LOG=" + level}});
  };
  EXPECT_THAT(drawn("debug").err, HasSubstr("debug: memory: needs"));
  EXPECT_THAT(drawn("warn").err, Not(HasSubstr("debug:")));
  const Finished refused = drawn("loud");
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("EASEL_LOG is 'loud', expected debug, info, warn, error or off"));
}

TEST_F(Commands, ImagesAreNumberedAndNothingIsOverwritten) {
  EXPECT_EQ(draw({"--seed", "7"}).status, 0);
  EXPECT_THAT(names("outputs/txt2img"), UnorderedElementsAre("00000-7.png"));
  EXPECT_EQ(draw({"--seed", "7", "--n_iter", "2"}).status, 0);
  EXPECT_THAT(names("outputs/txt2img"),
              UnorderedElementsAre("00000-7.png", "00001-7.png", "00002-8.png", "grid-0000.png"));
  EXPECT_EQ(draw({"--seed", "7", "--n_samples", "2", "--skip_grid", "--outdir", "other"}).status, 0);
  EXPECT_THAT(names("other"), UnorderedElementsAre("00000-7.png", "00001-8.png"));
  EXPECT_EQ(draw({"--seed", "7", "--n_samples", "2", "--skip_save", "--outdir", "third"}).status, 0);
  EXPECT_THAT(names("third"), UnorderedElementsAre("grid-0000.png"));
}

TEST_F(Commands, ProfilesTellWhereTheTimeWent) {
  const Finished table = draw({"--profile", "--profile-trace", "trace.json"});
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("conv3x3"), HasSubstr("attention"), HasSubstr("limit: ")));
  std::ifstream trace(folder_ / "trace.json");
  EXPECT_GT(Json::parse(trace)["traceEvents"].size(), 100u);
  const Finished json = draw({"--profile", "--json"});
  EXPECT_GT(Json::parse(json.out)["profile"]["matmul_gflops"], 0.0);

  const Finished quiet = draw({"--profile", "--quiet"});
  EXPECT_EQ(quiet.status, 2);
  EXPECT_THAT(quiet.err, HasSubstr("--quiet and --profile contradict each other; --profile-trace FILE goes with"));
  EXPECT_THAT(draw({"--profile-trace", "."}).err, HasSubstr(". is a directory; --profile-trace takes a file name"));
}

TEST_F(Commands, RunsSideBySideShareAFolder) {
  const std::vector<std::string> arguments = {"txt2img",
                                              "a",
                                              "--ckpt",
                                              golden_path("models/sd1-tiny.ckpt").string(),
                                              "--steps",
                                              "1",
                                              "--W",
                                              "64",
                                              "--H",
                                              "64",
                                              "--n_iter",
                                              "3",
                                              "--seed",
                                              "1",
                                              "--skip_grid",
                                              "--outdir",
                                              (folder_ / "shared").string()};
  EaselProcess first(arguments), second(arguments);
  EXPECT_EQ(first.finish().status, 0);
  EXPECT_EQ(second.finish().status, 0);
  EXPECT_EQ(names("shared").size(), 6u);
}

TEST_F(Commands, FormatFollowsTheNameOfTheFile) {
  for (const std::string name : {"bird.png", "bird.jpg", "bird.webp"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(draw({"-o", name, "--seed", "3"}).status, 0);
    const Finished info = run_easel({"info", name, "--json"}, {.directory = folder_.path()});
    const Json json = Json::parse(info.out);
    EXPECT_EQ(json["width"], 64);
    EXPECT_EQ(json["settings"]["prompt"], "a red bird");
    EXPECT_EQ(json["settings"]["fields"]["Seed"], "3");
  }
}

TEST_F(Commands, SummaryTellsSeedAndFiles) {
  const Finished finished = draw({"--json", "--quiet"});
  const Json json = Json::parse(finished.out);
  EXPECT_THAT(finished.err, IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(folder_ / json["images"][0]["file"].get<std::string>()));
  EXPECT_EQ(json["images"][0]["seed"], json["seed"]);
  EXPECT_EQ(json["request"]["sampler"], "ddim");
  EXPECT_EQ(json["model"]["prediction"], "eps");
  EXPECT_GT(json["peak_rss_bytes"], 1'000'000);

  const Finished text = draw({"--seed", "11"});
  EXPECT_THAT(text.out, AllOf(HasSubstr("00001-11.png"), HasSubstr("seed 11")));
  EXPECT_THAT(draw({"--quiet"}).out, IsEmpty());
}

TEST_F(Commands, AutocastRunsAndSaysSo) {
  const Finished finished = draw({"--precision", "autocast"});
  EXPECT_EQ(finished.status, 0);
  EXPECT_THAT(finished.err, HasSubstr("full precision"));
}

// With AVX2 at most there is no bf16, whether oneDNN is there or not.
TEST_F(Commands, Bf16SaysWhyItIsFullPrecision) {
  const std::string checkpoint = golden_path("models/sd1-tiny.ckpt");
  const Finished finished = run_easel({"txt2img", "--prompt", "a bird", "--ckpt", checkpoint, "--steps", "1", "--W",
                                       "64", "--H", "64", "--device", "cpu", "--precision", "bf16"},
                                      {.directory = folder_.path(), .environment = {"EASEL_CPU_ISA=avx2"}});
  EXPECT_EQ(finished.status, 0);
  EXPECT_THAT(finished.err, AllOf(AnyOf(HasSubstr("bf16: this processor has no AVX-512"),
                                        HasSubstr("bf16: this program was built without oneDNN")),
                                  HasSubstr("computes in full precision (f32)")));
}

TEST_F(Commands, EverySamplerDraws) {
  const Json all = Json::parse(run_easel({"samplers", "--json"}).out);
  for (const Json& sampler : all["samplers"]) {
    const std::string name = sampler["name"];
    SCOPED_TRACE(name);
    EXPECT_EQ(draw({"--sampler", name, "--steps", "3", "--skip_grid"}).status, 0);
  }
}

TEST_F(Commands, InfoOfCheckpoints) {
  const Finished info = run_easel({"info", golden_path("models/sd1-tiny.ckpt").string(), "--json"});
  const Json json = Json::parse(info.out);
  EXPECT_EQ(json["family"], "SD 1.x");
  EXPECT_EQ(json["readable"], true);
  EXPECT_TRUE(json["components"].contains("unet"));
  EXPECT_EQ(run_easel({"info", "/nowhere"}).status, 3);
  EXPECT_EQ(run_easel({"info", folder_.write("text.png", "no image").string()}).status, 4);
}

TEST_F(Commands, ModelsByName) {
  std::filesystem::create_directory(folder_ / "models");
  std::filesystem::copy(golden_path("models/sd2-tiny.safetensors"), folder_ / "models");
  const Surroundings here{.directory = folder_.path()};
  EXPECT_THAT(run_easel({"models"}, here).out, HasSubstr("sd2-tiny.safetensors"));
  const std::vector<std::string> size = {"--steps", "1", "--W", "64", "--H", "64", "-o", "a.png"};
  std::vector<std::string> named = {"txt2img", "x", "--ckpt", "sd2-tiny"};
  named.insert(named.end(), size.begin(), size.end());
  EXPECT_EQ(run_easel(named, here).status, 0);
  named[3] = "sd2-tinny.safetensors";
  const Finished wrong = run_easel(named, here);
  EXPECT_EQ(wrong.status, 3);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean sd2-tiny.safetensors?"));
}

TEST_F(Commands, WithoutAnyModelItSaysHowToGetOne) {
  const std::filesystem::path assets = folder_ / "assets";
  std::filesystem::create_directory(assets);
  const Finished finished =
      run_easel({"txt2img", "x", "--outdir", folder_ / "out"}, {.environment = {"EASEL_ASSETS=" + assets.string()}});
  EXPECT_EQ(finished.status, 3);
  EXPECT_THAT(finished.err, HasSubstr("--ckpt"));
}

TEST_F(Commands, WatermarkIsRead) {
  const std::string file = folder_ / "marked.png";
  const Finished drawn = draw({"--W", "256", "--H", "256", "-o", file});
  ASSERT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_THAT(run_easel({"watermark", file}).out, StartsWith("StableDiffusionV1"));
  EXPECT_THAT(run_easel({"watermark", file, "--text", "another"}).out, StartsWith("no watermark"));
}

TEST_F(Commands, WatermarkOfOnesOwn) {
  const std::string file = folder_ / "marked.png";
  const Finished drawn = draw({"--W", "256", "--H", "256", "--watermark", "made by me", "-o", file});
  ASSERT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_THAT(run_easel({"watermark", file, "--text", "made by me"}).out, StartsWith("made by me"));
  EXPECT_THAT(run_easel({"watermark", file}).out, StartsWith("no watermark"));
  EXPECT_EQ(draw({"--watermark", "x", "--no-watermark", "-o", file}).status, 2);
  EXPECT_EQ(draw({"--watermark", std::string(65, 'x'), "-o", file}).status, 2);
}

TEST_F(Commands, WatermarkIsWrittenToAnImage) {
  const std::string plain = folder_ / "plain.png", marked = folder_ / "marked.png";
  ASSERT_EQ(draw({"--W", "256", "--H", "256", "--no-watermark", "-o", plain}).status, 0);
  ASSERT_EQ(run_easel({"watermark", plain, "--write", "--text", "mine", "-o", marked}).status, 0);
  EXPECT_THAT(run_easel({"watermark", marked, "--text", "mine"}).out, StartsWith("mine"));
  EXPECT_THAT(run_easel({"info", marked}).out, HasSubstr("Steps: "));  // the settings came along
  EXPECT_EQ(run_easel({"watermark", plain, "--write"}).status, 2);
}

TEST_F(Commands, ANetworkEnlargesBetweenTwoPasses) {
  const std::string file = golden_path("upscale/real-esrgan-x4.pth");
  const Finished by_file = draw({"--seed", "3", "--hires-scale", "2", "--hires-upscaler", file, "-o", "file.png"});
  ASSERT_EQ(by_file.status, 0) << by_file.err;
  EXPECT_EQ(load_image(folder_ / "file.png").image.size(), (Size{128, 128}));
  const Finished info = run_easel({"info", folder_ / "file.png"});
  EXPECT_THAT(info.out, HasSubstr("Hires upscaler: real-esrgan-x4"));
  const Finished unknown = draw({"--hires-scale", "2", "--hires-upscaler", "lancos"});
  EXPECT_EQ(unknown.status, 3);
  EXPECT_THAT(unknown.err, HasSubstr("there is no hires upscaler 'lancos'; did you mean lanczos?"));
}

}  // namespace
}  // namespace easel::testing
