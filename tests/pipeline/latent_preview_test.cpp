// Previews: small, cheap, and like the image that comes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "easel/image/resize.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/prompt_length.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::SizeIs;

// Pearson's correlation of all bytes.
double correlation(const Image& a, const Image& b) {
  double sum_a = 0, sum_b = 0, sum_aa = 0, sum_bb = 0, sum_ab = 0;
  const auto n = static_cast<double>(a.bytes().size());
  for (size_t i = 0; i < a.bytes().size(); ++i) {
    const double x = a.bytes()[i], y = b.bytes()[i];
    sum_a += x, sum_b += y, sum_aa += x * x, sum_bb += y * y, sum_ab += x * y;
  }
  const double covariance = sum_ab - sum_a * sum_b / n;
  return covariance / std::sqrt((sum_aa - sum_a * sum_a / n) * (sum_bb - sum_b * sum_b / n));
}

// The starter model, whose tiny VAE shows the whole picture: random weights draw nothing that could be recognised.
TEST(LatentPreview, LooksLikeTheImage) {
  Pipeline pipeline(
      {.checkpoint = std::filesystem::path(EASEL_SOURCE_DIR) / "assets" / "starter.safetensors", .threads = 2});
  std::vector<Image> previews;
  const Result result = pipeline.generate({.prompt = "a red bird", .steps = 6, .seed = 1, .watermark = false},
                                          {.on_preview = [&](const Image& preview) { previews.push_back(preview); }});
  ASSERT_THAT(previews, SizeIs(6));
  const Image& image = result.images[0].image;
  EXPECT_EQ(previews[0].size(), image.size());
  EXPECT_GT(correlation(previews.back(), image), 0.9);
}

// The same model where its tiny VAE does not lie beside it.
TEST(LatentPreview, WithoutATinyVaeAPixelForEachLatentPosition) {
  const std::filesystem::path assets = std::filesystem::path(EASEL_SOURCE_DIR) / "assets";
  const TemporaryFolder bare;
  std::filesystem::copy_file(assets / kBpeMerges, bare / kBpeMerges);
  ::setenv("EASEL_ASSETS", bare.path().c_str(), 1);
  Pipeline pipeline({.checkpoint = assets / kStarterModel, .threads = 2});
  ::unsetenv("EASEL_ASSETS");
  std::vector<Image> previews;
  const Result result = pipeline.generate({.prompt = "a red bird", .steps = 6, .seed = 1, .watermark = false},
                                          {.on_preview = [&](const Image& preview) { previews.push_back(preview); }});
  const Image& image = result.images[0].image;
  ASSERT_THAT(previews, SizeIs(6));
  EXPECT_EQ(previews[0].size(), (Size{image.width_px() / 8, image.height_px() / 8}));
  EXPECT_GT(correlation(previews.back(), resize(image, previews.back().size(), ResizeFilter::bilinear)), 0.9);
}

TEST(LatentPreview, ChangesNothingAboutTheImage) {
  const PipelineOptions options{.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = 2};
  const Request request{.prompt = "x", .width_px = 64, .height_px = 64, .steps = 2, .seed = 3};
  const Result plain = Pipeline(options).generate(request);
  std::vector<Image> previews;
  const Result watched =
      Pipeline(options).generate(request, {.on_preview = [&](const Image& preview) { previews.push_back(preview); }});
  ASSERT_THAT(previews, SizeIs(2));
  EXPECT_EQ(previews[0].size(), (Size{8, 8}));  // without a tiny VAE a pixel for each latent position
  EXPECT_EQ(plain.images[0].image, watched.images[0].image);
}

TEST(PromptRuler, CountsTokensWithoutStartAndEnd) {
  const PromptRuler ruler;
  EXPECT_EQ(ruler.measure("").tokens, 0);
  EXPECT_EQ(ruler.measure("a red bird").tokens, 3);
  EXPECT_EQ(ruler.measure("a red bird").limit, 75);
}

}  // namespace
}  // namespace easel::testing
