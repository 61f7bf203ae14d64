// easel depth, as a person runs it, with a small depth network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "easel/image/codec.h"
#include "easel/image/grey16.h"
#include "tests/cli/easel_process.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DepthCommand : public ::testing::Test {
 protected:
  std::string picture() const { return golden_path("image/scene_100x70.png").string(); }
  std::string model() const { return golden_path("models/sd2-depth-midas-tiny.safetensors").string(); }
  std::string out() const { return (folder_ / "depth.png").string(); }

  Finished run(const std::vector<std::string>& extra) const {
    std::vector<std::string> arguments = {"depth"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return run_easel(arguments, {.environment = {"EASEL_MODELS=" + (folder_ / "models").string()}});
  }

  void expect_refused(const std::vector<std::string>& arguments, int status, const std::string& text) const {
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.status, status) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(text));
    EXPECT_THAT(finished.out, IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(out()));
  }

  TemporaryFolder folder_;
};

TEST_F(DepthCommand, WritesAMapOfSixteenBits) {
  const Finished finished = run({picture(), "-o", out(), "--ckpt", model()});
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.out, AllOf(HasSubstr(out()), HasSubstr("depth of 100x70 pixels (seen at 384x256)")));
  const Grey16 map = load_grey16(out());
  EXPECT_EQ(map.size, (Size{100, 70}));
  EXPECT_EQ(*std::min_element(map.values.begin(), map.values.end()), 0);
  EXPECT_EQ(*std::max_element(map.values.begin(), map.values.end()), 65535);
  EXPECT_TRUE(std::any_of(map.values.begin(), map.values.end(), [](uint16_t v) { return v % 257 != 0; }));
}

TEST_F(DepthCommand, TakesTheDepthModelOfTheModelsFolder) {
  std::filesystem::create_directories(folder_ / "models");
  std::filesystem::copy(model(), folder_ / "models" / "small.safetensors");
  const Finished finished = run({picture(), "-o", out(), "--json"});
  EXPECT_EQ(finished.status, 0) << finished.err;
  const Json json = Json::parse(finished.out);
  EXPECT_EQ(json["size"], (Json{{"width", 100}, {"height", 70}}));
  EXPECT_EQ(json["network_size"], (Json{{"width", 384}, {"height", 256}}));
  EXPECT_EQ(json["file"], out());
  EXPECT_THAT(json["model"].get<std::string>(), HasSubstr("small.safetensors"));
  EXPECT_LT(json["farthest"].get<double>(), json["nearest"].get<double>());
  EXPECT_GT(json["peak_rss_bytes"].get<int64_t>(), json["peak_tensor_bytes"].get<int64_t>());
  EXPECT_GT(json["planned_rss_bytes"].get<int64_t>(), json["peak_tensor_bytes"].get<int64_t>());
}

TEST_F(DepthCommand, QuietSaysNothing) {
  const Finished finished = run({picture(), "-o", out(), "--ckpt", model(), "-q", "--low-memory", "--threads", "1"});
  EXPECT_EQ(finished.status, 0);
  EXPECT_THAT(finished.out + finished.err, IsEmpty());
}

TEST_F(DepthCommand, NeedsADepthNetwork) {
  expect_refused({picture(), "-o", out()}, 3, "no model with a depth network; give an SD 2 depth checkpoint");
  expect_refused({picture(), "-o", out(), "--ckpt", golden_path("models/sd1-tiny.ckpt").string()}, 4,
                 "is of the family SD 1.x and holds no depth network");
}

TEST_F(DepthCommand, RefusesWhatCannotWork) {
  const std::string jpeg = (folder_ / "depth.jpg").string();
  expect_refused({picture(), "-o", jpeg, "--ckpt", model()}, 2, "which only a PNG file holds");
  expect_refused({picture(), "-o", folder_.path().string(), "--ckpt", model()}, 2, "the name ends in");
  expect_refused({model(), "-o", out(), "--ckpt", model()}, 5, "is no image that can be read");
  expect_refused({(folder_ / "no.png").string(), "-o", out(), "--ckpt", model()}, 3, "no.png");
  expect_refused({picture(), "-o", "/proc/depth.png", "--ckpt", model()}, 8, "/proc");
  expect_refused({picture(), "-o", out(), "--ckpt", model(), "--memory-limit", "40MB"}, 7, "but 40 MB can be had");
  expect_refused({picture(), "-o", out(), "--ckpt", model(), "--vae", model()}, 2, "unknown option '--vae'");
  expect_refused({picture(), "--ckpt", model()}, 2, "--output is required");
}

}  // namespace
}  // namespace easel::testing
