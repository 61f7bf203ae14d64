// Golden: tests/golden/image/text_chunks.json and more.json.
#include "easel/image/metadata.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include "easel/image/containers.h"
#include "easel/image/exif.h"
#include "easel/image/text_encoding.h"
#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;
using namespace std::string_literals;

constexpr const char* kLatinText = "café\nSteps: 1, Seed: 2, Size: 8x8";
constexpr const char* kWideText = "猫の絵, ünïcödé 🐱\nSteps: 1, Seed: 2, Size: 8x8";

std::string big_endian32(size_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xFF));
  return out;
}

std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uint32_t crc = static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size()));
  return big_endian32(data.size()) + body + big_endian32(crc);
}

// A PNG of one pixel with `chunk` behind its header.
std::vector<std::byte> png_with(const std::string& chunk) {
  std::vector<std::byte> file = encode_image(Image(1, 1));
  constexpr ptrdiff_t kHeaderEnd = 8 + 12 + 13;
  const auto bytes = std::as_bytes(std::span(chunk));
  file.insert(file.begin() + kHeaderEnd, bytes.begin(), bytes.end());
  return file;
}

std::string deflated(const std::string& text) {
  std::string out(compressBound(text.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()), text.size());
  out.resize(size);
  return out;
}

std::vector<ImageText> texts_of(const std::vector<std::byte>& file) { return read_image_texts(file, "t.png"); }

TEST(ImageTexts, ReadsAllPngCases) {
  const nlohmann::json cases = golden_json("image/text_chunks.json")["cases"];
  ASSERT_EQ(cases.size(), 8U);
  for (const nlohmann::json& test : cases) {
    const std::string file = test["file"];
    nlohmann::json texts = nlohmann::json::object();
    for (const ImageText& text : texts_of(image_bytes("image/" + file))) texts[text.keyword] = text.text;
    EXPECT_EQ(texts, test["text"]) << file;
  }
}

TEST(ImageTexts, ReadsUserCommentsOfBothByteOrders) {
  const std::string expected = golden_json("image/more.json")["comment"];
  for (const char* file : {"image/comment_utf16be.jpg", "image/comment_utf16le.webp"}) {
    const std::vector<ImageText> texts = texts_of(image_bytes(file));
    EXPECT_EQ(texts, (std::vector<ImageText>{{"UserComment", expected}, {"ImageDescription", "a description"}}))
        << file;
    EXPECT_EQ(generation_parameters(texts), expected);
  }
}

TEST(ImageTexts, ReadsPlainCommentsOfJpeg) {
  const std::vector<ImageText> expected{
      {"Comment", "a JPEG comment"}, {"ImageDescription", "a description"}, {"UserComment", "plain words"}};
  std::vector<ImageText> texts = texts_of(image_bytes("image/comment_ascii.jpg"));
  std::sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.keyword < b.keyword; });
  EXPECT_EQ(texts, expected);
}

TEST(ImageTexts, EveryFormatKeepsTheParameters) {
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp}) {
    for (const char* text : {"plain\nSteps: 1", kLatinText, kWideText}) {
      const std::vector<std::byte> file = encode_image(sample_image(16, 16), {.format = format, .parameters = text});
      EXPECT_EQ(generation_parameters(texts_of(file)), text);
      EXPECT_EQ(decode_image(file, "t").image.size(), (Size{16, 16}));
    }
    EXPECT_EQ(generation_parameters(texts_of(encode_image(sample_image(16, 16), {.format = format}))), std::nullopt);
  }
}

TEST(ImageTexts, PngChunkFollowsTheCharacters) {
  const auto chunk_of = [](const char* text) {
    for (const Block& block : png_blocks(encode_image(Image(1, 1), {.parameters = text}))) {
      if (block.type != "IHDR") return block.type;
    }
    return "none"s;
  };
  EXPECT_EQ(chunk_of(kLatinText), "tEXt");
  EXPECT_EQ(chunk_of(kWideText), "iTXt");
}

TEST(ImageTexts, LimitsWhatItInflates) {
  const std::string bomb = "bomb\0\0"s + deflated(std::string(kMaxTextBytes + 1, 'a'));
  const std::vector<std::byte> file = png_with(png_chunk("zTXt", bomb));
  EXPECT_EQ(message_of(ErrorCode::bad_image, [&] { read_image_texts(file, "b.png"); }),
            fmt::format("b.png: the zTXt chunk of {} bytes is damaged or holds more than 17 MB of text", bomb.size()));
  EXPECT_EQ(decode_image(file, "b.png").image.size(), (Size{1, 1}));  // the pixels are fine
}

TEST(ImageTexts, RefusesDamagedTexts) {
  const std::string good = png_chunk("tEXt", "key\0value"s);
  std::string wrong_checksum = good;
  wrong_checksum.back() ^= 1;
  for (const std::string& chunk :
       {wrong_checksum, png_chunk("tEXt", "no end of the key"), png_chunk("zTXt", "key\0\0not deflated"s),
        png_chunk("zTXt", "key\0\1"s + deflated("x")), png_chunk("zTXt", "key\0"s), png_chunk("iTXt", "key\0\0"s),
        png_chunk("iTXt", "key\0\0\0en"s), png_chunk("zTXt", "key\0\0"s + deflated("text").substr(0, 5))}) {
    EXPECT_THAT(message_of(ErrorCode::bad_image, [&] { texts_of(png_with(chunk)); }),
                ::testing::HasSubstr("is damaged or holds more than"));
  }
  EXPECT_EQ(texts_of(png_with(good)), (std::vector<ImageText>{{"key", "value"}}));
}

TEST(ImageTexts, RefusesOtherFiles) {
  const std::string text = "hello";
  EXPECT_EQ(message_of(ErrorCode::bad_image, [&] { read_image_texts(std::as_bytes(std::span(text)), "a.txt"); }),
            "a.txt: is no image that can be read, expected PNG, JPEG or WebP");
}

TEST(ImageTexts, TruncatedFilesNeverCrash) {
  for (const char* name : {"image/text_several.png", "image/comment_utf16be.jpg", "image/comment_utf16le.webp",
                           "image/jpeg_orientation6.jpg"}) {
    const std::vector<std::byte> file = image_bytes(name);
    for (size_t size = 12; size < file.size(); ++size) {
      const std::vector<std::byte> part(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
      read_orientation(part);
      texts_of(part);
    }
  }
}

TEST(Exif, DamagedStructuresNeverCrash) {
  const std::vector<std::byte> good = exif_with_comment(kWideText, ExifHeader::none);
  EXPECT_EQ(parse_exif(good).user_comment, kWideText);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int value : {0x00, 0x7F, 0x80, 0xFF}) {
      std::vector<std::byte> bad = good;
      bad[i] = static_cast<std::byte>(value);
      parse_exif(bad);
      bad.resize(i);
      parse_exif(bad);
    }
  }
}

TEST(TextEncoding, ConvertsBothWays) {
  EXPECT_EQ(latin1_from_utf8("caf\xC3\xA9"), "caf\xE9");
  EXPECT_EQ(latin1_from_utf8("猫"), std::nullopt);
  EXPECT_EQ(utf8_from_latin1("\xE9\xFF"), "éÿ");
  for (const ByteOrder order : {ByteOrder::little, ByteOrder::big}) {
    const std::string utf16 = utf16_from_utf8("aé猫🐱", order);
    EXPECT_EQ(utf16.size(), 10U);
    EXPECT_EQ(utf8_from_utf16(std::as_bytes(std::span(utf16)), order), "aé猫🐱");
  }
}

TEST(TextEncoding, MarksWhatIsIllFormed) {
  EXPECT_EQ(repaired_utf8("a\xFFz\xE7\x8C"), "a\uFFFDz\uFFFD\uFFFD");
  const std::string lone = "\xD8\x3D\x00\x61"s;
  EXPECT_EQ(utf8_from_utf16(std::as_bytes(std::span(lone)), ByteOrder::big), "\uFFFDa");
  const std::string marked = "\xFF\xFE\x61\x00"s;  // the byte order mark wins
  EXPECT_EQ(utf8_from_utf16(std::as_bytes(std::span(marked)), ByteOrder::big), "a");
}

}  // namespace
}  // namespace easel
