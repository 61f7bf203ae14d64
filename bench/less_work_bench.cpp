// What the ways of docs/less-work.md spare of a full-size SD checkpoint: seconds of a UNet call with guidance and of
// decoding. Writes JSON to standard output.
//
//   less_work_bench CHECKPOINT TINY_VAE [SIZE_PX] [REPEATS]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "easel/backend/devices.h"
#include "easel/base/system.h"
#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/weights.h"
#include "easel/unet/unet.h"
#include "easel/vae/tiny_vae.h"
#include "easel/vae/vae_decoder.h"

namespace easel::bench {
namespace {

constexpr int64_t kTokens = 77;

// The best of all: other programs only add.
double seconds_of(int repeats, const auto& body) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// Smooth, as images are, so that tokens are alike in some places and not in others.
Tensor waves(const Device& device, Shape shape) {
  std::vector<float> values(static_cast<size_t>(shape.count()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(0.37f * static_cast<float>(i)) + 0.5f * std::sin(1e-3f * static_cast<float>(i));
  }
  return Tensor::from(device, shape, std::span<const float>(values));
}

void run(const std::string& path, const std::string& tiny_path, int64_t size_px, int repeats) {
  const auto device = open_device({});
  const Weights weights(Checkpoint::open(path));
  const UNet unet(weights / "model.diffusion_model");
  const auto conditioning = unet.condition(waves(*device, {2, kTokens, unet.config().context_width}));
  const Tensor x = waves(*device, {2, size_px / 8, size_px / 8, 4});
  const std::vector<float> timesteps{500.0f, 500.0f};
  nlohmann::json out{{"checkpoint", path}, {"size_px", size_px}, {"repeats", repeats}};
  const auto call = [&](const UNetShortcuts& shortcuts) { unet(x, timesteps, conditioning, {}, shortcuts); };
  call({});  // reads the file
  out["unet_call"] = seconds_of(repeats, [&] { call({}); });
  for (const double ratio : {0.3, 0.5, 0.75}) {
    out[fmt::format("unet_call_tome_{}", ratio)] =
        seconds_of(repeats, [&] { call({.token_merging_ratio = ratio, .deep = nullptr}); });
  }
  for (const int64_t branch : {0, 1, 2}) {
    UNetShortcuts::DeepFeature deep{.branch = branch, .feature = std::nullopt};
    call({.token_merging_ratio = 0.0, .deep = &deep});
    out[fmt::format("unet_call_cached_branch_{}", branch)] =
        seconds_of(repeats, [&] { call({.token_merging_ratio = 0.0, .deep = &deep}); });
  }
  const Tensor latent = x.slice(0, 1);
  const auto tiny = TinyVae::of(Checkpoint::open(tiny_path), Residency::packed);
  (*tiny->decoder())(latent);
  out["tiny_decode"] = seconds_of(repeats, [&] { (*tiny->decoder())(latent); });
  const VaeDecoder decoder(weights / "first_stage_model");
  out["vae_decode"] = seconds_of(1, [&] { decoder(latent); });
  fmt::print("{}\n", out.dump(2));
}

}  // namespace
}  // namespace easel::bench

int main(int argc, char** argv) {
  easel::limit_spinning(argv);
  if (argc < 3 || argc > 5) {
    fmt::print(stderr, "usage: less_work_bench CHECKPOINT TINY_VAE [SIZE_PX] [REPEATS]\n");
    return 2;
  }
  const auto argument = [&](int index, int fallback) { return argc > index ? std::atoi(argv[index]) : fallback; };
  try {
    easel::bench::run(argv[1], argv[2], argument(3, 512), std::max(1, argument(4, 1)));
  } catch (const easel::Error& error) {
    fmt::print(stderr, "less_work_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
