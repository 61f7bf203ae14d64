// What is computed in bands of rows equals what is computed as a whole, bit for bit: the bands begin where the tiles of
// Winograd's algorithm and the chunks of the normalisations' sums do.
#include "easel/vae/bands.h"

#include <algorithm>
#include <map>
#include <memory>

#include "easel/vae/vae_decoder.h"
#include "easel/vae/vae_encoder.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

// Bands of the encoder get smaller with the image, until they are no whole tiles and chunks any more; a card's library
// may sum in another order for another height. The longest sum of one layer is a 3x3 window of 32 channels, and 16
// blocks follow.
const double kTolerance = tolerance(DType::f32, 9 * 32 * 16);

Tensor noise(const Shape& shape, float scale) {
  std::vector<float> values(static_cast<size_t>(shape.count()));
  uint32_t state = 7;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = (static_cast<float>(state >> 8) * 0x1p-23f - 1.0f) * scale;
  }
  return Tensor::from(cpu_device(), shape, std::span<const float>(values));
}

Weights vae_weights() { return Weights(Checkpoint::open(golden_path("models/sd1-tiny.ckpt"))) / "first_stage_model"; }

struct Case {
  std::string name;
  VaeBands bands;
  PaddingMode padding;
  int64_t rows, columns;  // of the latent
};

class EachBanding : public ::testing::TestWithParam<Case> {
 protected:
  VaeConfig config(VaeConfig config, VaeBands bands) const {
    config.bands = bands;
    config.padding = GetParam().padding;
    return config;
  }
  const Weights weights_ = vae_weights();
};

// Outputs of blocks, as they were when they were shown.
using Seen = std::map<std::string, std::vector<float>>;
BlockObserver record(Seen& seen) {
  return [&seen](std::string_view block, const Tensor& output) { seen[std::string(block)] = output.values(); };
}

TEST_P(EachBanding, DecodesTheSame) {
  const VaeConfig read = VaeConfig::of_decoder(weights_);
  const Tensor z = noise({1, GetParam().rows, GetParam().columns, 4}, 2.0f);
  Seen whole, banded;
  const Tensor expected = VaeDecoder(weights_, config(read, VaeBands::none))(z, record(whole));
  const Tensor actual = VaeDecoder(weights_, config(read, GetParam().bands))(z, record(banded));
  EXPECT_TENSOR_NEAR(actual, expected, kTolerance);
  EXPECT_GT(banded.size(), 12u);
  for (const auto& [block, values] : banded) {
    if (block == "decoder.conv_out" && cpu_device().kind() != DeviceKind::cpu) continue;
    EXPECT_EQ(values, whole.at(block)) << block;
  }
}

TEST_P(EachBanding, EncodesTheSame) {
  const VaeConfig read = VaeConfig::of_encoder(weights_);
  const Tensor image = noise({1, 8 * GetParam().rows, 8 * GetParam().columns, 3}, 1.0f);
  Seen whole, banded;
  const Posterior expected = VaeEncoder(weights_, config(read, VaeBands::none))(image, record(whole));
  const Posterior actual = VaeEncoder(weights_, config(read, GetParam().bands))(image, record(banded));
  EXPECT_TENSOR_NEAR(actual.mean, expected.mean, kTolerance);
  EXPECT_TENSOR_NEAR(actual.logvar, expected.logvar, kTolerance);
  EXPECT_EQ(banded.size(), whole.size());
  if (cpu_device().kind() != DeviceKind::cpu) return;
  for (const char* block : {"encoder.conv_in", "encoder.down.0.block.1", "encoder.down.0.downsample"}) {
    EXPECT_EQ(banded.at(block), whole.at(block)) << block;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Bands, EachBanding,
    ::testing::Values(Case{"kept", VaeBands::kept, PaddingMode::zeros, 32, 40},
                      Case{"recomputed", VaeBands::recomputed, PaddingMode::zeros, 32, 40},
                      Case{"kept_circular", VaeBands::kept, PaddingMode::circular, 32, 32},
                      Case{"recomputed_circular", VaeBands::recomputed, PaddingMode::circular, 32, 32},
                      Case{"odd", VaeBands::recomputed, PaddingMode::zeros, 27, 35},
                      Case{"wide", VaeBands::recomputed, PaddingMode::zeros, 9, 96},
                      Case{"one_band", VaeBands::recomputed, PaddingMode::zeros, 1, 3},
                      Case{"one_band_circular", VaeBands::recomputed, PaddingMode::circular, 8, 3}),
    [](const auto& info) { return info.param.name; });

// The widest images are the ones that need this: an activation in bands takes a fraction of the memory.
TEST(VaeBands, TakeLessMemory) {
  const Weights weights = vae_weights();
  const auto peak_of = [&](VaeBands bands) {
    const auto device = open_device({.name = "cpu", .threads = 2});
    VaeConfig config = VaeConfig::of_decoder(weights);
    config.bands = bands;
    VaeDecoder decode(weights, config);
    std::vector<float> values(64 * 64 * 4, 0.5f);
    decode(Tensor::from(*device, {1, 64, 64, 4}, std::span<const float>(values)));
    return device->allocator().peak_bytes();
  };
  const uint64_t activation = 512 * 512 * 32 * sizeof(float);  // the finest level's
  const uint64_t whole = peak_of(VaeBands::none);
  const uint64_t kept = peak_of(VaeBands::kept);
  const uint64_t recomputed = peak_of(VaeBands::recomputed);
  EXPECT_LT(kept + activation / 2, whole);
  EXPECT_LT(recomputed + activation / 2, kept);
}

// The coarser levels are small enough to be held: only what the finest level is made of is computed twice.
TEST(VaeBands, ComputeTwiceOnlyWhatIsLarge) {
  const Weights weights = vae_weights();
  const auto work_of = [&](VaeBands bands) {
    const auto profile = std::make_shared<Profile>();
    const auto device = open_device({.name = "cpu", .threads = 2, .profile = profile});
    VaeConfig config = VaeConfig::of_decoder(weights);
    config.bands = bands;
    const VaeDecoder decode(weights, config);
    std::vector<float> values(32 * 32 * 4, 0.5f);
    decode(Tensor::from(*device, {1, 32, 32, 4}, std::span<const float>(values)));
    return profile->flops();
  };
  const double once = work_of(VaeBands::kept);
  EXPECT_NEAR(once, work_of(VaeBands::none), 0.01 * once);
  const double partly_twice = work_of(VaeBands::recomputed);
  EXPECT_GT(partly_twice, 1.1 * once);
  EXPECT_LT(partly_twice, 1.4 * once);
}

TEST(VaeBands, BeginWithTilesAndChunks) {
  for (const int64_t width : {8, 24, 40, 100, 216, 512, 520, 768, 1024, 2048, 4096}) {
    EXPECT_EQ(band_rows(width) % 8, 0);
    EXPECT_EQ(band_rows(width) * width % 64, 0);
    EXPECT_GE(band_rows(width) * width, 4096);
  }
}

}  // namespace
}  // namespace easel::testing
