#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "easel/base/file.h"
#include "easel/image/codec.h"
#include "easel/image/resize.h"
#include "tests/cli/easel_process.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Upscale : public ::testing::Test {
 protected:
  std::string write_image(const std::string& name, const Image& image) const {
    save_image(folder_ / name, image);
    return folder_ / name;
  }
  std::string small_image() const { return write_image("small.png", Image(16, 24, {200, 100, 50})); }
  std::string result() const { return folder_ / "large.png"; }

  Finished upscale(const std::string& image, const std::vector<std::string>& extra) const {
    std::vector<std::string> arguments = {"upscale", image, "-o", result()};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return run_easel(arguments);
  }

  void expect_refused(const std::vector<std::string>& extra, int status, const std::string& text) const {
    expect_image_refused(small_image(), extra, status, text);
  }
  void expect_image_refused(const std::string& image, const std::vector<std::string>& extra, int status,
                            const std::string& text) const {
    const Finished finished = upscale(image, extra);
    EXPECT_EQ(finished.status, status) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(text));
    EXPECT_THAT(finished.out, IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(result()));
  }

  const std::string x4_ = golden_path("models/x4-upscaler-tiny.safetensors");
  const std::string esrgan_ = golden_path("upscale/real-esrgan-x4.pth");
  TemporaryFolder folder_;
};

// Golden: the original script's sampler and networks on PyTorch (tests/golden/models/README.md).
class RecordedUpscaleImages : public Upscale, public ::testing::WithParamInterface<const char*> {};

TEST_P(RecordedUpscaleImages, AreMadeWithinTwoOf255) {
  const std::string name = GetParam();
  const Json reference =
      Json::parse(read_text_file(golden_path("models/x4-upscaler-tiny.reference.json"), uint64_t{1} << 22));
  const Json run = reference["runs"][name];
  const Golden golden("models/x4-upscaler-tiny.reference", cpu_device());
  Image picture(run["low_res"][1], run["low_res"][0]);
  const std::vector<uint8_t> pixels = golden.image_bytes("upscale.lr.image_u8");
  std::copy(pixels.begin(), pixels.end(), picture.bytes().begin());
  const std::vector<uint8_t> expected = golden.image_bytes(name + ".image_u8");

  for (const std::vector<std::string>& extra : {std::vector<std::string>{}, {"--low-memory"}}) {
    std::vector<std::string> arguments = {"--ckpt", x4_, "--rng", "numpy"};
    const auto add = [&](const char* option, const Json& value) {
      arguments.insert(arguments.end(), {option, value.is_string() ? value.get<std::string>() : value.dump()});
    };
    add("--prompt", run["prompts"][0]);
    add("--negative-prompt", run["negative_prompt"]);
    add("--ddim_steps", run["steps"]);
    add("--scale", run["cfg_scale"]);
    add("--eta", run["eta"]);
    add("--seed", run["seed"]);
    add("--image-seed", run["seed_lr_noise"]);
    add("--noise-level", run["noise_level"]);
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    const Finished finished = upscale(write_image("picture.png", picture), arguments);
    ASSERT_EQ(finished.status, 0) << finished.err;
    const Image image = load_image(result()).image;
    ASSERT_EQ(image.bytes().size(), expected.size());
    int largest = 0;
    for (size_t i = 0; i < expected.size(); ++i) largest = std::max(largest, std::abs(image.bytes()[i] - expected[i]));
    EXPECT_LE(largest, 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, RecordedUpscaleImages, ::testing::Values("upscale.ddim", "upscale.ddim_eta1"));

TEST_F(Upscale, LanczosNeedsNoModel) {
  const Image picture(10, 7, {1, 2, 3});
  const Finished finished = upscale(write_image("p.png", picture), {"--upscaler", "lanczos", "--factor", "3"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_EQ(load_image(result()).image, resize(picture, {30, 21}, ResizeFilter::lanczos));
  EXPECT_THAT(finished.out, HasSubstr("30x21 with Lanczos"));
  const Finished info = run_easel({"info", result()});
  EXPECT_THAT(info.out, HasSubstr("Upscaler: Lanczos, Upscale by: 3, Size: 30x21"));
}

TEST_F(Upscale, NetworksFromBothKindsOfFile) {
  for (const std::string file : {"real-esrgan-x4.pth", "esrgan-x4.pth"}) {
    const Finished finished = upscale(small_image(), {"--upscaler", golden_path("upscale/" + file), "--json"});
    ASSERT_EQ(finished.status, 0) << finished.err;
    const Json summary = Json::parse(finished.out);
    EXPECT_EQ(summary["width"], 64);
    EXPECT_EQ(summary["height"], 96);
    EXPECT_EQ(summary["upscaler"]["kind"], "network");
    EXPECT_EQ(summary["watermark"], false);
  }
  const Finished half = upscale(small_image(), {"--upscaler", golden_path("upscale/esrgan-x2.safetensors")});
  EXPECT_EQ(half.status, 0) << half.err;
  EXPECT_EQ(load_image(result()).image.size(), (Size{32, 48}));
}

TEST_F(Upscale, ADiffusionCheckpointIsKnownByItsContent) {
  const Finished finished = upscale(small_image(), {"--upscaler", x4_, "--steps", "1", "--seed", "3", "--json"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  const Json summary = Json::parse(finished.out);
  EXPECT_EQ(summary["upscaler"]["kind"], "diffusion");
  EXPECT_EQ(summary["seed"], 3);
  EXPECT_EQ(summary["steps_done"], 1);
  EXPECT_THAT(summary["parameters"].get<std::string>(), HasSubstr("Noise level: 20"));
}

TEST_F(Upscale, TilesAreToldOnStandardError) {
  const std::string image = write_image("wide.png", Image(96, 64, {9, 90, 200}));
  const Finished finished = upscale(image, {"--ckpt", x4_, "--steps", "1", "--tile", "64"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("step 0 of 1, tile 0 of 2"));
  EXPECT_THAT(finished.err, HasSubstr("decoding tile 1 of 2"));
  EXPECT_THAT(finished.out, HasSubstr("2 tiles"));
}

TEST_F(Upscale, TheUpscalerMustBeSaid) {
  expect_refused({}, 2, "the diffusion upscaler needs its checkpoint: --ckpt");
  expect_refused({"--upscaler", x4_, "--ckpt", x4_}, 2, "contradict each other");
  expect_refused({"--upscaler", "lanczos", "--ckpt", x4_}, 2, "--ckpt is for networks");
  expect_refused({"--upscaler", "lanczos", "--threads", "1"}, 2, "--threads is for networks");
  expect_refused({"--upscaler", "/nowhere/esrgan.pth"}, 3, "/nowhere/esrgan.pth");
}

TEST_F(Upscale, WrongCheckpoints) {
  expect_refused({"--ckpt", golden_path("models/sd1-tiny.ckpt")}, 2,
                 "is a SD 1.x checkpoint, which makes no image larger");
  expect_refused({"--ckpt", esrgan_}, 2, "is an ESRGAN network; say --upscaler");
  expect_refused({"--upscaler", folder_.write("notes.pth", "just some text")}, 4, "notes.pth");
  const std::filesystem::path swin = folder_ / "swinir.safetensors";
  write_safetensors(swin, std::vector<WeightData>{f32_tensor(
                              "layers.0.residual_group.blocks.0.attn.relative_position_bias_table", {225, 6})});
  expect_refused({"--upscaler", swin}, 4, "is a SwinIR network");
  const std::string cut = read_text_file(esrgan_, uint64_t{1} << 30).substr(0, 20'000);
  expect_refused({"--upscaler", folder_.write("cut.pth", cut)}, 4, "cut.pth");
}

TEST_F(Upscale, OptionsThatDoNotApply) {
  expect_refused({"--upscaler", "lanczos", "--prompt", "a bird"}, 2, "a prompt is for the diffusion upscaler");
  expect_refused({"--upscaler", "lanczos", "--tile", "64"}, 2, "Lanczos needs none");
  expect_refused({"--upscaler", esrgan_, "--noise-level", "20"}, 2, "the noise level is for the diffusion upscaler");
  expect_refused({"--upscaler", esrgan_, "--vae", x4_}, 2, "a VAE does not go with it");
  expect_refused({"--upscaler", esrgan_, "--factor", "5"}, 2, "this upscaler makes images 4 times as large");
}

TEST_F(Upscale, ValuesOutOfRange) {
  expect_refused({"--ckpt", x4_, "--noise-level", "351"}, 2, "noise level is 351, expected 0 to 350");
  expect_refused({"--ckpt", x4_, "--noise-level", "-1"}, 2, "noise level is -1");
  expect_refused({"--ckpt", x4_, "--tile", "100"}, 2, "tile is 100, expected a multiple of 8: 96 or 104");
  expect_refused({"--ckpt", x4_, "--overlap", "4"}, 2, "overlap is 4, expected 8 to 128");
  expect_refused({"--ckpt", x4_, "--seed", "-2"}, 2, "--seed is -2");
  expect_refused({"--upscaler", "lanczos", "--factor", "nan"}, 2, "factor is nan");
  expect_refused({"--ckpt", x4_, "--noise-levl", "5"}, 2, "did you mean '--noise-level'?");
}

TEST_F(Upscale, ImagesThatCannotBe) {
  expect_image_refused("/nowhere/bird.png", {"--upscaler", "lanczos"}, 3, "/nowhere/bird.png");
  expect_image_refused(folder_.write("bird.png", "no image"), {"--upscaler", "lanczos"}, 5, "bird.png");
  const std::string huge = write_image("huge.png", Image(4096, 4096));
  expect_image_refused(huge, {"--upscaler", esrgan_}, 2, "4096x4096 pixels would become 16384x16384");
  expect_image_refused(huge, {"--upscaler", "lanczos", "--factor", "4"}, 2, "no image takes more than");
}

TEST_F(Upscale, MemoryLimits) {
  const std::string image = write_image("image.png", Image(256, 256));
  expect_image_refused(image, {"--ckpt", x4_, "--memory-limit", "40MB"}, 7, "even in tiles of 64 pixels, but 40 MB");
  expect_image_refused(image, {"--ckpt", x4_, "--memory-limit", "160MB", "--tile", "256"}, 7, "the largest that fits");
}

TEST_F(Upscale, UnwritableOutput) {
  const std::string file = folder_.write("file", "");
  const Finished finished = run_easel({"upscale", small_image(), "-o", file + "/below.png", "--upscaler", "lanczos"});
  EXPECT_EQ(finished.status, 8) << finished.err;
  EXPECT_EQ(run_easel({"upscale", small_image()}).status, 2);
  EXPECT_EQ(run_easel({"upscale", small_image(), "-o", (folder_ / "a.tiff").string()}).status, 2);
}

TEST_F(Upscale, CtrlCLeavesNothing) {
  const std::string image = write_image("image.png", Image(256, 256));
  EaselProcess easel({"upscale", image, "-o", result(), "--ckpt", x4_, "--steps", "1000"});
  ASSERT_TRUE(easel.wait_for_error_text("step 0 of", std::chrono::seconds(120)));
  easel.send(SIGINT);
  const auto sent = std::chrono::steady_clock::now();
  const Finished finished = easel.finish();
  EXPECT_EQ(finished.status, 130) << finished.err;
  EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(20));
  EXPECT_FALSE(std::filesystem::exists(result()));
}

}  // namespace
}  // namespace easel::testing
