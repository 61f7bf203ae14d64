// Golden: tests/golden/watermark/cases.json, invisible-watermark 68d0376 with OpenCV 4.6.
#include "easel/image/watermark.h"

#include "golden_image.h"

namespace easel {
namespace {

using namespace testing;

std::vector<bool> bits_of(const std::string& digits) {
  std::vector<bool> bits;
  for (const char digit : digits) bits.push_back(digit == '1');
  return bits;
}

double agreement(const std::vector<bool>& a, const std::vector<bool>& b) {
  int64_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

std::vector<nlohmann::json> marked_cases() {
  const nlohmann::json all = golden_json("watermark/cases.json")["cases"];
  std::vector<nlohmann::json> marked;
  for (const nlohmann::json& test : all) {
    if (!test.contains("rejected")) marked.push_back(test);
  }
  return marked;
}

std::string file_of(const nlohmann::json& test, const char* key) { return "watermark/" + test[key].get<std::string>(); }

TEST(Watermark, ReadsWhatTheReferenceReads) {
  const std::vector<nlohmann::json> cases = marked_cases();
  ASSERT_EQ(cases.size(), 12U);
  for (const nlohmann::json& test : cases) {
    const std::string expected = test["decoded"];
    const auto count = static_cast<int64_t>(expected.size());
    EXPECT_EQ(read_watermark_bits(golden_image(file_of(test, "encoded")), count), bits_of(expected)) << test["encoded"];
    EXPECT_EQ(read_watermark_bits(golden_image(file_of(test, "image")), count),
              bits_of(test["decoded_from_input"].get<std::string>()))
        << test["image"];
  }
}

TEST(Watermark, WritesNoWorseThanTheReference) {
  for (const nlohmann::json& test : marked_cases()) {
    const Image before = golden_image(file_of(test, "image"));
    Image after = before;
    const std::string message = test["message"];
    ASSERT_TRUE(write_watermark_inplace(after, message));
    const std::vector<bool> bits = watermark_bits(message);
    const auto found = read_watermark_bits(after, static_cast<int64_t>(bits.size()));
    EXPECT_GE(agreement(*found, bits), test["correct"].get<double>() - 0.00005) << test["encoded"];  // 4 digits
    EXPECT_GT(psnr(before, after), test["psnr"].get<double>()) << test["encoded"];
  }
}

TEST(Watermark, EveryBitSurvivesInPictures) {
  for (const char* name :
       {"noise_256x256", "gradient_512x512", "flat_768x512", "plasma_512x512", "odd_389x515", "drawing_512x768"}) {
    Image image = golden_image(std::string("watermark/") + name + ".png");
    ASSERT_TRUE(write_watermark_inplace(image, kWatermarkSd1));
    const auto bits = read_watermark_bits(image, 8 * static_cast<int64_t>(kWatermarkSd1.size()));
    EXPECT_EQ(watermark_text(*bits), kWatermarkSd1) << name;
  }
}

TEST(Watermark, SurvivesGoodJpeg) {
  Image image = golden_image("watermark/plasma_512x512.png");
  ASSERT_TRUE(write_watermark_inplace(image, kWatermarkSd1));
  const std::vector<std::byte> file = encode_image(image, {.format = ImageFormat::jpeg, .quality = 95});
  const std::array texts{kWatermarkSd1, kWatermarkSd2};
  EXPECT_EQ(match_watermark(decode_image(file, "t").image, texts)->agreement, 1.0);  // the reference: 0.74
}

TEST(Watermark, SmallImagesStayAsTheyAre) {
  const Image before = golden_image("watermark/small_250x262.png");
  Image after = before;
  EXPECT_FALSE(write_watermark_inplace(after, kWatermarkSd1));
  EXPECT_EQ(after, before);
  EXPECT_EQ(read_watermark_bits(after, 8), std::nullopt);
  const std::array texts{kWatermarkSd1};
  EXPECT_FALSE(match_watermark(after, texts).has_value());
  Image smallest = sample_image(256, 256);
  EXPECT_TRUE(write_watermark_inplace(smallest, kWatermarkSd2));
}

TEST(Watermark, TellsWhichTextItIs) {
  const std::array texts{kWatermarkSd1, kWatermarkSd2};
  for (const std::string_view text : texts) {
    Image image = golden_image("watermark/plasma_512x512.png");
    ASSERT_TRUE(write_watermark_inplace(image, text));
    const std::optional<WatermarkMatch> match = match_watermark(image, texts);
    EXPECT_EQ(match->text, text);
    EXPECT_EQ(match->agreement, 1.0);
  }
}

TEST(Watermark, TextAndBits) {
  EXPECT_EQ(watermark_bits("SD"), bits_of("0101001101000100"));
  EXPECT_EQ(watermark_text(bits_of("0101001101000100")), "SD");
}

TEST(Watermark, RefusesTextsThatDoNotFit) {
  Image image = sample_image(256, 256);
  EXPECT_EQ(message_of(ErrorCode::invalid_request, [&] { (void)write_watermark_inplace(image, ""); }),
            "the watermark text is empty; use --no-watermark for none");
  EXPECT_EQ(
      message_of(ErrorCode::invalid_request, [&] { (void)write_watermark_inplace(image, std::string(129, 'a')); }),
      "the watermark text has 129 bytes, an image of 256x256 pixels holds at most 128");
}

}  // namespace
}  // namespace easel
