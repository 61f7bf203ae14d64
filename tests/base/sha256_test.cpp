#include "easel/base/sha256.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

std::string hash_of(const std::string& text) {
  Sha256 sha256;
  sha256.update(std::as_bytes(std::span(text)));
  return sha256.finish_hex();
}

// Examples of FIPS 180-4 (NIST's "SHA-256 Example" sheets).
TEST(Sha256, EqualsTheStandardsExamples) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PartsGiveTheHashOfTheWhole) {
  const std::string text(1000, 'x');
  Sha256 sha256;
  const auto bytes = std::as_bytes(std::span(text));
  sha256.update(bytes.first(1));
  sha256.update(bytes.subspan(1, 700));
  sha256.update(bytes.subspan(701));
  EXPECT_EQ(sha256.finish_hex(), hash_of(text));
  EXPECT_EQ(sha256.finish_hex(), hash_of(""));  // it starts anew
}

}  // namespace
}  // namespace easel
