#include <gtest/gtest.h>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"

namespace easel::testing {
namespace {

using namespace std::string_view_literals;
using ::testing::HasSubstr;

struct Case {
  std::string name;
  Bytes bytes;
  std::string message;
};
void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

Bytes padded(std::string_view start, size_t size) {
  Bytes bytes = to_bytes(start);
  bytes.resize(size, std::byte{0x91});
  return bytes;
}

std::vector<Case> cases() {
  Bytes tar(600, std::byte{1});
  std::copy_n(to_bytes("ustar").begin(), 5, tar.begin() + 257);
  return {
      {"Empty", {}, "is empty (0 bytes); download it again"},
      {"Zeros", Bytes(100'000),
       "begins with 65536 zero bytes: its space was reserved but the download never filled it"},
      {"Html", to_bytes("\n <!DOCTYPE html><html><body>401</body></html>"), "is a web page, not a model"},
      {"Lfs", to_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 4265380512\n"),
       "is a git-LFS pointer, not the model itself; fetch the model with `git lfs pull`"},
      {"Json", to_bytes("{\"error\":\"Access to model is restricted\"}"),
       "is JSON text (\"{\"error\":\"Access to model is restricted\"}\"), not a model"},
      {"Text", to_bytes("Entry not found, sorry"), "is a text file"},
      {"Ggml", padded("lmgg", 4000), "is a GGML file"},
      {"Onnx",
       padded("\x08\x07\x12\x07pytorch\x1a\x05"
              "2.0.1:",
              4000),
       "is an ONNX file; easel reads SD 1.x and 2.x"},
      {"Hdf5", padded("\x89HDF\r\n\x1a\n", 4000), "is an HDF5 (Keras) file"},
      {"Png", padded("\x89PNG\r\n\x1a\n", 4000), "is a PNG image"},
      {"Gzip", padded("\x1f\x8b\x08\x00"sv, 4000), "is a gzip archive; unpack it"},
      {"SevenZip", padded("7z\xBC\xAF\x27\x1C", 4000), "is a 7z archive; unpack it"},
      {"Tar", tar, "is a tar archive; unpack it"},
      {"Short", to_bytes("\x01\x02\x03"), "3 bytes are too few for a checkpoint"},
      {"Noise", padded("\xE1\x02\xF3\x44\x55\x66\x77\x88\x99\xAA", 4000), "is not a checkpoint that easel knows"},
      {"SmallLength", padded("\x10\0\0\0\0\0\0\0[1]"sv, 4000), "its header should start with '{' at byte 8"},
  };
}

class FileKind : public ::testing::TestWithParam<Case> {};

TEST_P(FileKind, IsNamedWithItsCure) {
  const std::string message = message_of([] { parse(GetParam().bytes); });
  EXPECT_THAT(message, HasSubstr("model.bin: "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, FileKind, ::testing::ValuesIn(cases()), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace easel::testing
