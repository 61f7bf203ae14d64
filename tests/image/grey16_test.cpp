#include "easel/image/grey16.h"

#include <gmock/gmock.h>

#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;

Grey16 ramp(int64_t width_px, int64_t height_px) {
  Grey16 grey{.size = {width_px, height_px}, .values = {}};
  for (int64_t i = 0; i < width_px * height_px; ++i) {
    grey.values.push_back(static_cast<uint16_t>(i * 65535 / (width_px * height_px - 1)));
  }
  return grey;
}

TEST(Grey16, KeepsEveryLevel) {
  const Grey16 grey = ramp(300, 257);
  const Grey16 back = decode_grey16(encode_grey16(grey), "ramp.png");
  EXPECT_EQ(back.size, grey.size);
  EXPECT_EQ(back.values, grey.values);
}

// Other programs read the file: Pillow's picture has the high bytes where it does not clip.
TEST(Grey16, TheHighByteIsWhatAnImageReaderSees) {
  const Grey16 grey = ramp(16, 16);
  const Image image = decode_image(encode_grey16(grey), "ramp.png").image;
  for (size_t i = 0; i < grey.values.size(); ++i) EXPECT_EQ(image.bytes()[3 * i], grey.values[i] >> 8);
}

TEST(Grey16, ReadsForeignFilesInFull) {
  for (const char* name : {"image/png_grey16.png", "image/png_greyalpha16.png"}) {
    const Grey16 grey = load_grey16(image_path(name));
    const Image image = golden_image(name);
    ASSERT_EQ(grey.size, image.size()) << name;
    bool low_bytes_differ = false;
    for (size_t i = 0; i < grey.values.size(); ++i) {
      ASSERT_EQ(grey.values[i] >> 8, image.bytes()[3 * i]) << name;
      low_bytes_differ |= (grey.values[i] & 0xFF) != (grey.values[i] >> 8);
    }
    EXPECT_TRUE(low_bytes_differ) << name;
  }
  const Grey16 small = load_grey16(image_path("image/png_grey16_small_values.png"));
  EXPECT_GT(*std::max_element(small.values.begin(), small.values.end()), 200);  // an 8-bit reader sees nothing
}

TEST(Grey16, WidensOtherImages) {
  for (const char* name : {"image/png_grey8.png", "image/png_rgb8.png", "image/jpeg_420.jpg", "image/png_rgb16.png"}) {
    const Grey16 grey = load_grey16(image_path(name));
    const Mask luma = golden_mask(name);
    ASSERT_EQ(grey.size, luma.size()) << name;
    for (size_t i = 0; i < grey.values.size(); ++i) ASSERT_EQ(grey.values[i], luma.bytes()[i] * 257) << name;
  }
}

TEST(Grey16, EveryTruncationIsAnError) {
  const std::vector<std::byte> whole = encode_grey16(ramp(40, 30));
  for (size_t size = 0; size + 1 < whole.size(); size += 3) {
    const std::span<const std::byte> part(whole.data(), size);
    EXPECT_THROW(decode_grey16(part, "cut.png"), Error) << size;
  }
  const std::span<const std::byte> half(whole.data(), whole.size() / 2);
  EXPECT_EQ(message_of(ErrorCode::bad_image, [&] { decode_grey16(half, "cut.png"); }),
            "cut.png: damaged PNG: the file ends too early");
}

}  // namespace
}  // namespace easel
