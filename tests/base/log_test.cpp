#include "easel/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST(Log, WarnsByDefaultAndKeepsQuietOtherwise) {
  CaptureStderr();
  log::info("not shown");
  log::warn("{} words of the prompt are cut", 3);
  EXPECT_EQ(GetCapturedStderr(), "easel: warning: 3 words of the prompt are cut\n");
}

TEST(Log, LevelDecidesWhatIsShown) {
  log::set_level(log::Level::debug);
  CaptureStderr();
  log::debug("loading");
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("debug: loading"));
  log::set_level(log::Level::off);
  CaptureStderr();
  log::warn("hidden");
  EXPECT_EQ(GetCapturedStderr(), "");
  log::set_level(log::Level::warn);
}

TEST(Log, TextIsNotAFormat) {
  CaptureStderr();
  log::write(log::Level::warn, "a {} prompt {0:d}");
  EXPECT_EQ(GetCapturedStderr(), "easel: warning: a {} prompt {0:d}\n");
}

}  // namespace
}  // namespace easel
