// Expecting an Error by a part of its message.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "easel/base/error.h"

namespace easel::testing {

// What `action` throws; fails the test if it throws nothing. Other exceptions than Error end the test.
template <typename Action>
std::string message_of(const Action& action, ErrorCode code = ErrorCode::bad_checkpoint) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace easel::testing
