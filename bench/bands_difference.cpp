// The decoder in bands beside the decoder of the whole image: how far apart their pixels are, in steps of 8 bits.
//
//   bands_difference CHECKPOINT OUT.png SIZE_PX...
//
// OUT.png: the difference of the first size's images, 255 times as large; an identical pixel is grey.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "easel/backend/devices.h"
#include "easel/base/system.h"
#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/weights.h"
#include "easel/image/codec.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/arithmetic.h"
#include "easel/vae/vae_decoder.h"

namespace easel::bench {
namespace {

// A latent with large shapes and with grain, the same in every run.
Tensor latent_of(const Device& device, int64_t side) {
  std::vector<float> values;
  uint32_t state = 1;
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      for (int channel = 0; channel < 4; ++channel) {
        state = state * 1664525u + 1013904223u;
        const float grain = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
        const auto phase = static_cast<float>((channel + 1) * (x + 2 * y)) / static_cast<float>(side);
        values.push_back(5.0f * std::sin(3.0f * phase) + grain);
      }
    }
  }
  return Tensor::from(device, {1, side, side, 4}, std::span<const float>(values));
}

Tensor decode(const Weights& weights, VaeBands bands, const Tensor& latent) {
  VaeConfig config = VaeConfig::of_decoder(weights);
  config.bands = bands;
  return VaeDecoder(weights, config)(latent);
}

float largest_difference(const Tensor& a, const Tensor& b) {
  float largest = 0.0f;
  for (size_t i = 0; i < a.data().size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

void run(const std::string& file, const std::string& picture, const std::vector<int64_t>& sizes_px) {
  constexpr float kStep = 2.0f / 255.0f;  // of 8-bit pixels; the decoder's are in [-1, 1]
  const auto device = open_device({.threads = processor_count()});
  const Weights weights = Weights(Checkpoint::open(file)) / "first_stage_model";
  fmt::print("| | bands | computed twice |\n|---|---|---|\n");
  for (const int64_t size_px : sizes_px) {
    const Tensor latent = latent_of(*device, size_px / 8);
    const Tensor whole = decode(weights, VaeBands::none, latent);
    const Tensor kept = decode(weights, VaeBands::kept, latent);
    const Tensor recomputed = decode(weights, VaeBands::recomputed, latent);
    fmt::print("| {0}x{0} | {1:.5f} | {2:.5f} |\n", size_px, largest_difference(whole, kept) / kStep,
               largest_difference(whole, recomputed) / kStep);
    std::fflush(stdout);
    if (size_px == sizes_px.front()) save_image(picture, images_from((recomputed - whole) * 255.0f).front());
  }
}

}  // namespace
}  // namespace easel::bench

int main(int argc, char** argv) {
  easel::limit_spinning(argv);
  if (argc < 4) {
    fmt::print(stderr, "usage: bands_difference CHECKPOINT OUT.png SIZE_PX...\n");
    return 2;
  }
  try {
    std::vector<int64_t> sizes_px;
    for (int i = 3; i < argc; ++i) sizes_px.push_back(std::max(64, std::atoi(argv[i]) / 64 * 64));
    easel::bench::run(argv[1], argv[2], sizes_px);
  } catch (const easel::Error& error) {
    fmt::print(stderr, "bands_difference: {}\n", error.what());
    return 1;
  }
  return 0;
}
