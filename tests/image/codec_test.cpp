// Golden: tests/golden/image/cases.json and more.json, Pillow 9.4 with libjpeg-turbo 2.1.5.
#include "easel/image/codec.h"

#include <gmock/gmock.h>
#include <unistd.h>
#include <zlib.h>

#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;
using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string decode_error(const std::vector<std::byte>& file, const std::string& name) {
  return message_of(ErrorCode::bad_image, [&] { decode_image(file, name); });
}

// A new file in a directory of its own.
std::filesystem::path scratch_path(const std::string& name) {
  const auto directory = std::filesystem::temp_directory_path() / fmt::format("easel-image-test-{}", ::getpid());
  std::filesystem::create_directories(directory);
  return directory / name;
}

TEST(Decode, EqualsPillow) {
  const nlohmann::json cases = golden_json("image/cases.json")["decode"];
  ASSERT_EQ(cases.size(), 38U);
  for (const nlohmann::json& test : cases) {
    const std::string file = test["file"];
    if (file.starts_with("png_grey16")) continue;  // Pillow clips these: below
    const Image expected = golden_image("image/" + test["expect"].get<std::string>());
    const Image image = golden_image("image/" + file);
    EXPECT_EQ(image.size(), (Size{test["width"], test["height"]})) << file;
    EXPECT_LE(max_difference(image, expected), file.ends_with(".jpg") ? 3 : 0) << file;
  }
}

// Pillow makes every 16-bit grey value above 255 white; the high byte keeps the picture.
TEST(Decode, SixteenBitGreyTakesTheHighByte) {
  const Image clipped = golden_image("image/expect_png_grey16.png");
  const Image image = golden_image("image/png_grey16.png");
  ASSERT_EQ(image.size(), clipped.size());
  for (size_t i = 0; i < image.bytes().size(); ++i) {
    if (clipped.bytes()[i] < 255) {
      EXPECT_EQ(image.bytes()[i], 0);
    }
  }
  EXPECT_GT(*std::max_element(image.bytes().begin(), image.bytes().end()), 200);
  const Image small = golden_image("image/png_grey16_small_values.png");
  EXPECT_LE(*std::max_element(small.bytes().begin(), small.bytes().end()), 1);
}

TEST(Decode, KeepsAlphaAside) {
  const DecodedImage png = load_image(image_path("image/png_rgba8.png"));
  ASSERT_TRUE(png.alpha.has_value());
  EXPECT_EQ(png.alpha->size(), png.image.size());
  EXPECT_TRUE(load_image(image_path("image/png_palette8_trns.png")).alpha.has_value());
  EXPECT_FALSE(load_image(image_path("image/png_rgb8.png")).alpha.has_value());
  const DecodedImage webp = load_image(image_path("image/webp_rgba_lossless.webp"));
  EXPECT_EQ(webp.format, ImageFormat::webp);
  EXPECT_EQ(webp.image, golden_image("image/base_96x64.png"));
  EXPECT_EQ(webp.alpha, golden_mask("image/mask_96x64.png"));
}

TEST(Decode, WebpEqualsPillow) {
  EXPECT_EQ(golden_image("image/webp_lossy.webp"), golden_image("image/expect_webp_lossy.png"));
}

TEST(Decode, OrientationAppliesToEveryFormat) {
  const Image expected = golden_image("image/expect_orientation6.png");
  EXPECT_EQ(golden_image("image/webp_orientation6.webp"), expected);
  EXPECT_EQ(golden_image("image/png_orientation6.png"), expected);
}

TEST(Decode, NamesForeignFormats) {
  EXPECT_EQ(decode_error(bytes_of("GIF89a..."), "a.png"),
            "a.png: is a GIF file, expected PNG, JPEG or WebP; convert it first");
  EXPECT_THAT(decode_error(bytes_of("\0\0\0\x1C"
                                    "ftypheic"s),
                           "a.heic"),
              HasSubstr("is a HEIC file"));
  EXPECT_EQ(decode_error(bytes_of("hello"), "a.txt"),
            "a.txt: is no image that can be read, expected PNG, JPEG or WebP");
  EXPECT_EQ(decode_error({}, "e.png"), "e.png: the file is empty, expected a PNG, JPEG or WebP image");
  EXPECT_EQ(decode_error(image_bytes("image/webp_animation.webp"), "a.webp"),
            "a.webp: is an animation, expected a still image; save one of its frames");
}

TEST(Decode, MissingFileIsNotFound) {
  EXPECT_THAT(message_of(ErrorCode::not_found, [] { load_image("no/such.png"); }), StartsWith("no/such.png: "));
}

TEST(Decode, EveryTruncationIsAnError) {
  for (const char* name : {"image/png_rgb8.png", "image/png_rgba8_adam7.png", "image/jpeg_420.jpg",
                           "image/jpeg_progressive.jpg", "image/webp_lossy.webp", "image/webp_rgba_lossless.webp"}) {
    const std::vector<std::byte> whole = image_bytes(name);
    const size_t spare = std::string(name).ends_with(".jpg") ? 2 : 1;  // pixels can be complete without the end mark
    for (size_t size = 0; size + spare < whole.size(); size += size < 200 ? 1 : 7) {
      const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_THROW(decode_image(part, "cut"), Error) << name << " at " << size;
    }
  }
  std::vector<std::byte> cut = image_bytes("image/png_rgb8.png");
  cut.resize(cut.size() / 2);
  EXPECT_EQ(decode_error(cut, "cut.png"), "cut.png: damaged PNG: the file ends too early");
  cut = image_bytes("image/jpeg_420.jpg");
  cut.resize(cut.size() / 2 + 300);
  EXPECT_EQ(decode_error(cut, "cut.jpg"), "cut.jpg: damaged JPEG: Premature end of JPEG file");
  cut = image_bytes("image/webp_lossy.webp");
  cut.resize(cut.size() / 2);
  EXPECT_EQ(decode_error(cut, "cut.webp"), "cut.webp: damaged WebP: the file ends too early");
}

TEST(Decode, DamagedFilesNeverCrash) {
  for (const char* name :
       {"image/png_rgb8.png", "image/png_palette8_trns.png", "image/jpeg_420.jpg", "image/jpeg_progressive.jpg",
        "image/jpeg_cmyk.jpg", "image/webp_lossy.webp", "image/webp_orientation6.webp"}) {
    const std::vector<std::byte> whole = image_bytes(name);
    uint32_t state = 12345;
    for (int round = 0; round < 300; ++round) {
      std::vector<std::byte> bad = whole;
      for (int change = 0; change < 3; ++change) {
        state = state * 1664525 + 1013904223;
        bad[(state >> 8) % bad.size()] = static_cast<std::byte>(state >> 24);
      }
      try {
        decode_image(bad, "bad");
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::bad_image);
      }
    }
  }
}

// A PNG header with these sizes and a right checksum, then `rest`.
std::vector<std::byte> png_claiming(uint32_t width_px, uint32_t height_px, size_t filler_bytes) {
  std::vector<std::byte> file = encode_image(Image(1, 1));
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::byte>(value >> (24 - 8 * i) & 0xFF);
  };
  put(16, width_px);
  put(20, height_px);
  put(29, static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(file.data()) + 12, 17)));
  file.resize(file.size() + filler_bytes);
  return file;
}

TEST(Decode, LimitsThePixels) {
  EXPECT_EQ(decode_error(png_claiming(100000, 100000, 0), "big.png"),
            "big.png: the image has 100000x100000 pixels, over the limit of 67 million pixels");
  EXPECT_TRUE(fits_image_limit({8192, 8192}));
  EXPECT_FALSE(fits_image_limit({8193, 8192}));
  EXPECT_FALSE(fits_image_limit({0, 5}));
  EXPECT_FALSE(fits_image_limit({int64_t{1} << 40, int64_t{1} << 40}));
}

TEST(Decode, LimitsThePixelsOfJpegAndWebp) {
  std::vector<std::byte> jpeg = encode_image(Image(8, 8), {.format = ImageFormat::jpeg});
  for (size_t i = 0; i + 9 < jpeg.size(); ++i) {  // start of frame: FF C0, length, precision, height, width
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC0}) {
      std::fill_n(jpeg.begin() + static_cast<ptrdiff_t>(i) + 5, 4, std::byte{0xF0});
      break;
    }
  }
  EXPECT_EQ(decode_error(jpeg, "big.jpg"),
            "big.jpg: the image has 61680x61680 pixels, over the limit of 67 million pixels");
  std::vector<std::byte> webp = encode_image(Image(8, 8), {.format = ImageFormat::webp});
  for (const size_t at : {26U, 28U}) webp[at] = webp[at + 1] = std::byte{0x3F};  // VP8 frame header: width, height
  EXPECT_EQ(decode_error(webp, "big.webp"),
            "big.webp: the image has 16191x16191 pixels, over the limit of 67 million pixels");
}

TEST(Decode, FindsOutThatAFileIsTooSmallForItsPixels) {
  const std::vector<std::byte> file = png_claiming(8000, 8000, 0);
  EXPECT_EQ(decode_error(file, "tiny.png"),
            fmt::format("tiny.png: damaged PNG: {} bytes cannot hold 8000x8000 pixels; was the download cut short?",
                        file.size()));
}

TEST(Encode, LosslessFormatsKeepEveryPixel) {
  const Image image = golden_image("image/scene_100x70.png");
  for (const int level : {0, 1, 9})
    EXPECT_EQ(decode_image(encode_image(image, {.png_level = level}), "t").image, image);
  const EncodeOptions webp{.format = ImageFormat::webp, .lossless = true, .parameters = "a text"};
  EXPECT_EQ(decode_image(encode_image(image, webp), "t").image, image);
}

TEST(Encode, LossyFormatsStayClose) {
  const Image image = golden_image("watermark/plasma_512x512.png");  // smooth
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::webp}) {
    const std::vector<std::byte> file = encode_image(image, {.format = format, .quality = 95});
    EXPECT_EQ(sniff_image_format(file), format);
    EXPECT_GT(psnr(decode_image(file, "t").image, image), 35.0);
    EXPECT_LT(encode_image(image, {.format = format, .quality = 30}).size(), file.size() / 2);
  }
}

TEST(Encode, MasksAreGreyFiles) {
  const Mask mask = golden_mask("image/mask_96x64.png");
  const std::vector<std::byte> file = encode_mask(mask);
  EXPECT_EQ(grey_from(decode_image(file, "t").image), mask);
  EXPECT_EQ(file[25], std::byte{0});  // colour type: grey
}

TEST(Encode, RefusesWhatTheFormatCannotHold) {
  EXPECT_EQ(
      message_of(ErrorCode::invalid_request, [] { encode_image(Image(16384, 1), {.format = ImageFormat::webp}); }),
      "WebP holds at most 16383 pixels a side, the image has 16384x1; write a PNG");
  EXPECT_EQ(
      message_of(ErrorCode::invalid_request, [] { encode_image(Image(1, 65501), {.format = ImageFormat::jpeg}); }),
      "JPEG holds at most 65500 pixels a side, the image has 1x65501; write a PNG");
  const std::string novel(40000, 'a');
  EXPECT_THAT(message_of(ErrorCode::invalid_request,
                         [&] { encode_image(Image(1, 1), {.format = ImageFormat::jpeg, .parameters = novel}); }),
              HasSubstr("a JPEG holds at most 65533; write a PNG or shorten the prompt"));
}

TEST(Encode, FormatFollowsTheName) {
  EXPECT_EQ(image_format_for("a/b.PNG"), ImageFormat::png);
  EXPECT_EQ(image_format_for("b.jpeg"), ImageFormat::jpeg);
  EXPECT_EQ(image_format_for("b.jpg"), ImageFormat::jpeg);
  EXPECT_EQ(image_format_for("b.webp"), ImageFormat::webp);
  EXPECT_EQ(message_of(ErrorCode::invalid_request, [] { image_format_for("b.tiff"); }),
            "b.tiff: the name ends in '.tiff', expected .png, .jpg or .webp");
}

TEST(Encode, SavesWholeFiles) {
  const Image image = sample_image(30, 20);
  const std::filesystem::path path = scratch_path("saved.png");
  save_image(path, image, {.parameters = "a text"});
  EXPECT_EQ(load_image(path).image, image);
  EXPECT_THAT(message_of(ErrorCode::io_failure, [&] { save_image(path / "below.png", image); }),
              HasSubstr("cannot be written"));
  std::filesystem::remove_all(path.parent_path());
}

}  // namespace
}  // namespace easel
