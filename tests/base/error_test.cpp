#include "easel/base/error.h"

#include <gtest/gtest.h>

#include <string>

namespace easel {
namespace {

TEST(Error, CarriesItsCodeAndMessage) {
  const Error error(ErrorCode::bad_checkpoint, "{}: {} bytes is too short", "model.safetensors", 3);
  EXPECT_EQ(error.code(), ErrorCode::bad_checkpoint);
  EXPECT_STREQ(error.what(), "model.safetensors: 3 bytes is too short");
}

TEST(Error, BracesInArgumentsStayAsTheyAre) {
  EXPECT_STREQ(Error(ErrorCode::not_found, "{}: not found", "{odd}{}").what(), "{odd}{}: not found");
}

TEST(AssertDeathTest, NamesTheConditionAndThePlace) {
  const int one = 1;
  EASEL_ASSERT(one == 1);
  EXPECT_DEATH(EASEL_ASSERT(one == 2), "internal error: one == 2 is false .*error_test.cpp:[0-9]+.; please report it");
}

}  // namespace
}  // namespace easel
