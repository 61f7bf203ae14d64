// Pictures of a card that multiplies numbers of 8 bits: the test card's, which rounds as a card does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>

#include "easel/base/error.h"
#include "easel/checkpoint/checkpoint.h"
#include "easel/pipeline/pipeline.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

class EightBitCard : public ::testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (const char* const folder = ::getenv("EASEL_PLUGINS")) before_ = folder;
    ::setenv("EASEL_PLUGINS", EASEL_TEST_PLUGINS "/card", 1);
  }
  ~EightBitCard() override { before_ ? ::setenv("EASEL_PLUGINS", before_->c_str(), 1) : ::unsetenv("EASEL_PLUGINS"); }

  static PipelineOptions on_card(Precision precision) {
    PipelineOptions options{.checkpoint = golden_path("models/sd1-tiny.ckpt")};
    options.device = "cuda:0";
    options.precision = precision;
    return options;
  }
  static Image drawn(const PipelineOptions& options) {
    Request request{.prompt = "a red bird", .width_px = 64, .height_px = 64, .steps = 3, .seed = 1};
    request.watermark = false;
    return Pipeline(options).generate(request).images.front().image;
  }

 private:
  std::optional<std::string> before_;
};

double psnr(const Image& a, const Image& b) {
  double error = 0.0;
  for (size_t i = 0; i < a.bytes().size(); ++i) error += std::pow(int{a.bytes()[i]} - int{b.bytes()[i]}, 2);
  return 10.0 * std::log10(255.0 * 255.0 * static_cast<double>(a.bytes().size()) / error);
}

TEST_P(EightBitCard, PicturesAreNearThoseOfFullPrecision) {
  const Image exact = drawn(on_card(Precision::full));
  PipelineOptions options = on_card(GetParam());
  const Image picture = drawn(options);
  EXPECT_NE(picture, exact);
  EXPECT_GT(psnr(picture, exact), 30.0);
  options.low_memory = true;  // rounded anew at each use
  EXPECT_EQ(drawn(options), picture);
}

// A number that is not finite gets through the rounding, and is named.
TEST_P(EightBitCard, DamagedWeightsAreFound) {
  const auto original = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  std::vector<WeightData> tensors(original->tensors().begin(), original->tensors().end());
  std::vector<std::byte> damaged;
  for (WeightData& tensor : tensors) {
    if (tensor.name != "model.diffusion_model.middle_block.1.transformer_blocks.0.ff.net.2.weight") continue;
    damaged.assign(tensor.bytes.begin(), tensor.bytes.end());
    std::fill_n(damaged.begin(), 8, std::byte{0xFF});  // not a number, in every type
    tensor.bytes = damaged;
  }
  ASSERT_FALSE(damaged.empty());
  const TemporaryFolder folder;
  PipelineOptions options = on_card(GetParam());
  options.checkpoint = folder / "damaged.safetensors";
  write_safetensors(options.checkpoint, tensors);
  try {
    drawn(options);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("numbers that are not finite at step 1 of 3"));
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, EightBitCard, ::testing::Values(Precision::int8, Precision::fp8),
                         [](const auto& info) { return info.param == Precision::int8 ? "int8" : "fp8"; });

}  // namespace
}  // namespace easel::testing
