// A full-size SD checkpoint on a card: milliseconds of a UNet step (as samplers ask for it, so from the third time on a
// replayed graph) and of decoding, the share of the card's rate on a large matrix product that a step reaches, and the
// time of each kind of operation, one by one. Writes JSON to standard output.
//
//   card_bench CHECKPOINT [DEVICE] [full|f16|bf16] [SIZE_PX] [ROWS...]
//
// ROWS: prompts times images that the UNet takes at once; 2 is one image with guidance.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/noise.h"
#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/weights.h"
#include "easel/ops/ops.h"
#include "easel/text_encoder/text_encoder.h"
#include "easel/unet/unet.h"
#include "easel/vae/vae_decoder.h"

namespace easel::bench {
namespace {

using Json = nlohmann::json;

struct Settings {
  std::string checkpoint;
  std::string device = "cuda:0";
  std::string precision = "f16";
  int64_t size_px = 512;
  std::vector<int64_t> rows = {2, 16};
};

// Seconds of one call, of up to ten in a row that nobody waits for in between: the median of five such rows.
double seconds_of(const Device& device, const auto& body) {
  const auto row = [&](int calls) {
    const auto start = std::chrono::steady_clock::now();
    for (int call = 0; call < calls; ++call) body();
    device.backend().wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / calls;
  };
  constexpr double kSlow = 0.2;
  const int calls = row(1) > kSlow ? 1 : 10;
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) seconds.push_back(row(calls));
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

// Of random numbers: on zeros cards are faster.
double product_tflops(const Device& device) {
  constexpr int64_t kSize = 8192;
  const auto values = std::make_shared<const std::vector<float>>(noise(device, {kSize, kSize}).values());
  const Parameter weight({.name = "square",
                          .shape = {kSize, kSize},
                          .dtype = DType::f32,
                          .bytes = std::as_bytes(std::span(*values)),
                          .owner = values});
  const Tensor x = ops::activate(noise(device, {kSize, kSize}), Activation::none);
  ops::linear(x, weight, std::nullopt, {});
  const double seconds = seconds_of(device, [&] { ops::linear(x, weight, std::nullopt, {}); });
  return 2.0 * std::pow(kSize, 3) / seconds * 1e-12;
}

DType type_named(const std::string& precision) {
  if (precision == "full") return DType::f32;
  return precision == "bf16" ? DType::bf16 : DType::f16;
}

// What the UNet computes with `rows`, on whichever device.
struct Step {
  Step(const Device& device, const Weights& weights, int64_t size_px, int64_t rows)
      : unet(weights / "model.diffusion_model"),
        conditioning(unet.condition(noise(device, {rows, 77, unet.config().context_width}))),
        x(noise(device, {rows, size_px / 8, size_px / 8, unet.config().in_channels})),
        timesteps(static_cast<size_t>(rows), 500.0f) {}

  Tensor operator()() const {
    return x.device().backend().replayable(
        0, {&x, 1}, [this](std::span<const Tensor> inputs) { return unet(inputs.front(), timesteps, conditioning); });
  }

  UNet unet;
  UNet::Conditioning conditioning;
  Tensor x;
  std::vector<float> timesteps;
};

Json families(const Profile& profile) {
  Json out;
  for (const FamilyTotal& total : totals_by_family(profile)) {
    out[name_of(total.family)] = {
        {"calls", total.calls}, {"milliseconds", total.seconds * 1e3}, {"tflops", total.flops / total.seconds * 1e-12}};
  }
  return out;
}

Json measure(const Settings& settings, const DeviceOptions& options, int64_t rows, double tflops) {
  DeviceOptions profiled = options;
  profiled.profile = std::make_shared<Profile>();
  double flops = 0.0;
  Json kinds;
  {
    const auto device = open_device(profiled);
    const Weights weights(Checkpoint::open(settings.checkpoint));
    const Step step(*device, weights, settings.size_px, rows);
    step();
    profiled.profile->clear();
    step();
    flops = profiled.profile->flops();
    kinds = families(*profiled.profile);
  }
  const auto device = open_device(options);
  const Weights weights(Checkpoint::open(settings.checkpoint));
  const Step step(*device, weights, settings.size_px, rows);
  for (int i = 0; i < 4; ++i) step();
  const double seconds = seconds_of(*device, step);
  return {{"rows", rows},
          {"step_milliseconds", seconds * 1e3},
          {"tflop", flops * 1e-12},
          {"tflops", flops / seconds * 1e-12},
          {"share_of_product_rate", flops / seconds * 1e-12 / tflops},
          {"bytes_in_use", device->allocator().bytes_in_use()},
          {"peak_bytes", device->allocator().peak_bytes()},
          {"one_by_one", std::move(kinds)}};
}

double decode_seconds(const Settings& settings, const DeviceOptions& options) {
  const auto device = open_device(options);
  const Weights weights(Checkpoint::open(settings.checkpoint));
  const RangeScope range(*device, ValueRange::wide);
  const VaeDecoder decoder(weights / "first_stage_model");
  const Tensor latent = noise(*device, {1, settings.size_px / 8, settings.size_px / 8, 4});
  decoder(latent);
  return seconds_of(*device, [&] { decoder(latent); });
}

void run(const Settings& settings) {
  const DeviceOptions options{.name = settings.device, .activation_type = type_named(settings.precision)};
  const double tflops = product_tflops(*open_device(options));
  Json out{{"checkpoint", settings.checkpoint},
           {"device", settings.device},
           {"precision", settings.precision},
           {"size_px", settings.size_px},
           {"product_tflops", tflops}};
  for (const int64_t rows : settings.rows) out["steps"].push_back(measure(settings, options, rows, tflops));
  out["decode_milliseconds"] = decode_seconds(settings, options) * 1e3;
  fmt::print("{}\n", out.dump(2));
}

}  // namespace
}  // namespace easel::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: card_bench CHECKPOINT [DEVICE] [full|f16|bf16] [SIZE_PX] [ROWS...]\n");
    return 2;
  }
  easel::bench::Settings settings{.checkpoint = argv[1]};
  if (argc > 2) settings.device = argv[2];
  if (argc > 3) settings.precision = argv[3];
  if (argc > 4) settings.size_px = std::atoi(argv[4]);
  if (argc > 5) settings.rows.clear();
  for (int i = 5; i < argc; ++i) settings.rows.push_back(std::atoi(argv[i]));
  try {
    easel::bench::run(settings);
  } catch (const easel::Error& error) {
    fmt::print(stderr, "card_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
