// easel convert, and drawing from what it writes.
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
using ::testing::HasSubstr;

class ConvertCommand : public ::testing::Test {
 protected:
  Finished convert(const std::string& out, const std::vector<std::string>& extra = {}) const {
    std::vector<std::string> arguments{"convert", kModel, out};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return run_easel(arguments, {.directory = folder_.path()});
  }
  Image drawn(const std::string& checkpoint) const {
    const Finished finished = run_easel({"txt2img", "--ckpt", checkpoint, "--prompt", "a red bird", "--seed", "3",
                                         "--steps", "2", "--W", "64", "--H", "64", "-o", "bird.png"},
                                        {.directory = folder_.path()});
    EXPECT_EQ(finished.status, 0) << finished.err;
    return load_image(folder_ / "bird.png").image;
  }

  const std::string kModel = golden_path("models/sd1-tiny.ckpt").string();
  TemporaryFolder folder_;
};

TEST_F(ConvertCommand, TheSameWeightsInAnotherFormatDrawTheSameImage) {
  const Finished finished = convert("same.gguf");
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("same.gguf: GGUF, "));
  EXPECT_THAT(finished.out, HasSubstr("no value has changed"));
  EXPECT_EQ(drawn("same.gguf"), drawn(kModel));
  ASSERT_EQ(convert("same.safetensors").status, 0);
  EXPECT_EQ(drawn("same.safetensors"), drawn(kModel));
}

TEST_F(ConvertCommand, QuantizedWeightsDrawAndAreShownByInfo) {
  const Finished finished = convert("q8.gguf", {"--type", "q8_0", "--json"});
  ASSERT_EQ(finished.status, 0) << finished.err;
  const Json report = Json::parse(finished.out);
  EXPECT_EQ(report["out_format"], "GGUF");
  EXPECT_EQ(report["tensors"][0]["to"], "Q8_0");
  EXPECT_GT(report["tensors"][0]["relative_error"], 0.001);
  EXPECT_LT(report["tensors"][0]["relative_error"],
            0.02);  // half a step of d = max / 127, near 6 sigma / 127 / sqrt(12)
  const Json info = Json::parse(run_easel({"info", folder_ / "q8.gguf", "--json"}).out);
  EXPECT_EQ(info["family"], "SD 1.x");
  EXPECT_EQ(info["format"], "GGUF");
  EXPECT_GT(info["dtypes"]["Q8_0"], 50);
  EXPECT_FALSE(drawn("q8.gguf") == drawn(kModel));
}

TEST_F(ConvertCommand, MistakesAreNamed) {
  Finished finished = convert("out.gguf", {"--type", "q9"});
  EXPECT_NE(finished.status, 0);
  EXPECT_THAT(finished.err,
              HasSubstr("--type: 'q9' is unknown; expected f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0"));
  finished = convert("out.txt");
  EXPECT_NE(finished.status, 0);
  EXPECT_THAT(finished.err, HasSubstr("out.txt: its ending tells no format"));
  EXPECT_TRUE(folder_.names().empty());
}

TEST_F(ConvertCommand, FullDiskIsFoundBeforeTheWork) {
  const std::filesystem::path disk = folder_ / "disk";
  std::filesystem::create_directory(disk);
  const std::string mount = "mount -t tmpfs -o size=64k none " + disk.string() + " 2>/dev/null";
  if (std::system(mount.c_str()) != 0) GTEST_SKIP() << "only root may mount a small disk";
  const Finished finished = convert((disk / "out.gguf").string());
  const auto entries = std::distance(std::filesystem::directory_iterator(disk), {});
  EXPECT_EQ(std::system(("umount " + disk.string()).c_str()), 0);
  EXPECT_EQ(finished.status, 8) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("for which the disk has no space"));
  EXPECT_EQ(entries, 0);
}

}  // namespace
}  // namespace easel::testing
