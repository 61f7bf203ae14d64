// Whole pictures on a card beside those of the processor. Skipped without a card.
#include <cmath>

#include "easel/pipeline/pipeline.h"
#include "tests/gpu/devices.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

Image drawn(const std::string& model, const std::string& device, Precision precision) {
  PipelineOptions options{.checkpoint = golden_path("models/" + model)};
  options.device = device;
  options.precision = precision;
  Request request{.prompt = "a red bird", .width_px = 64, .height_px = 64, .steps = 3, .seed = 1};
  request.watermark = false;
  return Pipeline(options).generate(request).images.front().image;
}

// Root mean square of the differences, of 255.
double difference(const Image& a, const Image& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.bytes().size(); ++i) sum += std::pow(int{a.bytes()[i]} - int{b.bytes()[i]}, 2);
  return std::sqrt(sum / static_cast<double>(a.bytes().size()));
}

class Pictures : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string reason;
    if (!card_in(DType::f32, reason)) GTEST_SKIP() << "no card: " << reason;
  }
};

TEST_P(Pictures, AreTheProcessorsInFullPrecision) {
  EXPECT_LE(difference(drawn(GetParam(), "cuda:0", Precision::full), drawn(GetParam(), "cpu", Precision::full)), 0.5);
}

TEST_P(Pictures, AreNearTheProcessorsInHalfPrecision) {
  const Image exact = drawn(GetParam(), "cpu", Precision::full);
  EXPECT_LE(difference(drawn(GetParam(), "cuda:0", Precision::f16), exact), 2.0);    // 42 dB
  EXPECT_LE(difference(drawn(GetParam(), "cuda:0", Precision::bf16), exact), 16.0);  // 8 times less precise
}

// The test card, which rounds likewise, gives 12.5 for sd2-tiny in fp8, and less for the others.
TEST_P(Pictures, AreNearTheProcessorsWithNumbersOfEightBits) {
  const Image exact = drawn(GetParam(), "cpu", Precision::full);
  EXPECT_LE(difference(drawn(GetParam(), "cuda:0", Precision::int8), exact), 8.0);  // 30 dB
  const DeviceOptions fp8{.name = "cuda:0",
                          .reduced = {.numbers = ReducedNumbers::fp8, .allows = [](std::string_view) { return true; }}};
  try {
    open_device(fp8);
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();  // the card is too old
  }
  EXPECT_LE(difference(drawn(GetParam(), "cuda:0", Precision::fp8), exact), 16.0);  // 24 dB
}

INSTANTIATE_TEST_SUITE_P(Models, Pictures, ::testing::Values("sd1-tiny.ckpt", "sd2-tiny.safetensors"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
                           return name;
                         });

}  // namespace
}  // namespace easel::testing
