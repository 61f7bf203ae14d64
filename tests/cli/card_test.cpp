// The program on the test card.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "easel/base/file.h"
#include "tests/cli/easel_process.h"
#include "tests/support/temporary_folder.h"

namespace easel {
namespace {

using testing::Finished;
using testing::run_easel;
using testing::Surroundings;
using testing::TemporaryFolder;

class Card : public ::testing::Test {
 protected:
  // The picture that these arguments give, and in `counts_` what the card recorded.
  std::string draw(const std::vector<std::string>& more, const std::vector<std::string>& environment = {}) {
    const std::string picture = (folder_ / ("picture" + std::to_string(pictures_++) + ".png")).string();
    const std::string counts = (folder_ / "counts.txt").string();
    std::vector<std::string> arguments = {"txt2img", "--device", "cuda:0", "--seed", "3",
                                          "--steps", "5",        "-o",     picture};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Surroundings surroundings{.environment = environment};
    surroundings.environment.push_back("EASEL_PLUGINS=" EASEL_TEST_PLUGINS "/card");
    surroundings.environment.push_back("EASEL_TEST_CARD_COUNTS=" + counts);
    const Finished run = run_easel(arguments, surroundings);
    EXPECT_EQ(run.status, 0) << run.err;
    counts_ = read_text_file(counts, 1000);
    return read_text_file(picture, 1 << 22);
  }

  TemporaryFolder folder_;
  std::string counts_;
  int pictures_ = 0;
};

TEST_F(Card, StepsAreReplayedAndGiveTheSamePicture) {
  const std::string replayed = draw({"--prompt", "a red bird"});
  EXPECT_EQ(counts_, "1 recorded, 4 run");
  EXPECT_EQ(replayed, draw({"--prompt", "a red bird"}, {"EASEL_CUDA_GRAPHS=off"}));
  EXPECT_EQ(counts_, "0 recorded, 0 run");
}

TEST_F(Card, ShortAndWholeStepsOfACacheAreRecordedApart) {
  const std::vector<std::string> cached = {"--prompt", "a red bird", "--cache", "2"};
  const std::string replayed = draw(cached);
  EXPECT_EQ(counts_, "2 recorded, 3 run");
  EXPECT_EQ(replayed, draw(cached, {"EASEL_CUDA_GRAPHS=off"}));
}

TEST_F(Card, PromptsThatChangeAreRecordedAnew) {
  const std::vector<std::string> scheduled = {"--prompt", "a [red:blue:0.5] bird"};
  const std::string replayed = draw(scheduled);
  EXPECT_EQ(replayed, draw(scheduled, {"EASEL_CUDA_GRAPHS=off"}));
}

TEST_F(Card, StreamedWeightsAndMergedTokensAreNotRecorded) {
  draw({"--prompt", "a red bird", "--memory-limit", "82M"});
  EXPECT_EQ(counts_, "0 recorded, 0 run");
  draw({"--prompt", "a red bird", "--tome", "0.5"});
  EXPECT_EQ(counts_, "0 recorded, 0 run");
}

}  // namespace
}  // namespace easel
