// What a person may get wrong with images to start from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/image/codec.h"
#include "tests/cli/easel_process.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BadImageInput : public ::testing::Test {
 protected:
  std::string image(int64_t width_px, int64_t height_px, uint8_t grey = 100) {
    const auto path = folder_ / fmt::format("{}x{}-{}.png", width_px, height_px, grey);
    save_image(path, Image(width_px, height_px, {grey, grey, grey}));
    return path.string();
  }

  void expect_refused(std::vector<std::string> arguments, int status, const std::string& text) const {
    const std::string out = (folder_ / "out").string();
    arguments.insert(arguments.end(), {"--ckpt", golden_path("models/sd1-tiny.ckpt").string(), "--prompt", "a bird",
                                       "--steps", "2", "--outdir", out});
    const Finished finished = run_easel(arguments);
    EXPECT_EQ(finished.status, status) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(text));
    EXPECT_THAT(finished.out, IsEmpty());
    EXPECT_TRUE(!std::filesystem::exists(out) || std::filesystem::is_empty(out));
  }

  TemporaryFolder folder_;
};

TEST_F(BadImageInput, Files) {
  expect_refused({"img2img"}, 2, "--init-img is required");
  expect_refused({"img2img", "--init-img", "/nowhere/bird.png"}, 3, "/nowhere/bird.png");
  expect_refused({"img2img", "--init-img", folder_.write("empty.png", "").string()}, 5, "the file is empty");
  expect_refused({"img2img", "--init-img", folder_.write("cat.gif", "GIF89a.......").string()}, 5, "is a GIF file");
  expect_refused({"inpaint", "--init-img", image(64, 64), "--mask", folder_.write("m.png", "PNG").string()}, 5,
                 "m.png");
}

TEST_F(BadImageInput, Values) {
  expect_refused({"img2img", "--init-img", image(64, 64), "--strength", "1.5"}, 2, "strength is 1.5, expected 0 to 1");
  expect_refused({"img2img", "--init-img", image(64, 64), "--strength", "much"}, 2, "--strength");
  expect_refused({"img2img", "--init-img", image(64, 64), "--resize-mode", "squeeze"}, 2,
                 "resize mode 'squeeze' is unknown, expected stretch, crop, pad, keep");
  expect_refused({"inpaint", "--init-img", image(64, 64), "--mask", image(64, 64), "--mask-fill", "red"}, 2,
                 "mask fill 'red' is unknown");
}

TEST_F(BadImageInput, Masks) {
  expect_refused({"inpaint", "--init-img", image(64, 64)}, 2, "inpainting needs a mask");
  expect_refused({"inpaint", "--init-img", image(64, 64), "--mask", image(32, 64)}, 2, "the mask has 32x64 pixels");
  expect_refused({"inpaint", "--init-img", image(64, 64), "--mask", image(64, 64, 0)}, 2, "the mask selects nothing");
}

TEST_F(BadImageInput, OptionsOfOtherCommands) {
  expect_refused({"txt2img", "--strength", "0.5"}, 2, "unknown option '--strength'; it belongs to img2img, inpaint");
  expect_refused({"img2img", "--init-img", image(64, 64), "--mask", "m.png"}, 2, "it belongs to inpaint");
  expect_refused({"img2img", "--init-img", image(64, 64), "--hires-scale", "2"}, 2, "it belongs to txt2img");
}

TEST_F(BadImageInput, CheckpointsOfOtherTasks) {
  const auto inpaint = golden_path("models/sd1-inpaint-tiny.safetensors").string();
  const Finished finished = run_easel({"img2img", "--init-img", image(64, 64), "--prompt", "x", "--ckpt", inpaint,
                                       "--outdir", (folder_ / "out").string()});
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.err, HasSubstr("which is for 'easel inpaint'; img2img needs one of SD 1.x, SD 2.x"));
}

}  // namespace
}  // namespace easel::testing
