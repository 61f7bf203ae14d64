#include "easel/base/base64.h"

#include <gtest/gtest.h>

#include <numeric>

namespace easel::testing {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// RFC 4648, section 10.
TEST(Base64, TestVectors) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, encoded] : cases) {
    EXPECT_EQ(to_base64(bytes_of(text)), encoded);
    EXPECT_EQ(from_base64(encoded), bytes_of(text));
  }
}

TEST(Base64, EveryByteReturns) {
  std::vector<std::byte> all(256);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::byte>(i);
  EXPECT_EQ(from_base64(to_base64(all)), all);
}

TEST(Base64, ForgivesLineBreaksAndMissingPadding) {
  EXPECT_EQ(from_base64("Zm9v\r\nYmE\n"), bytes_of("fooba"));
  EXPECT_EQ(from_base64("Zg"), bytes_of("f"));
}

TEST(Base64, RefusesOtherThings) {
  for (const char* wrong : {"Z", "Zm9v*", "Zm=9v", "Zm9vYg==Zg==", "Zh==", "-_-_"}) {
    EXPECT_FALSE(from_base64(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace easel::testing
