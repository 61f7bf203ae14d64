// Seconds per stage of one image from a full-size SD checkpoint, each beside what direct f32 arithmetic would need at
// the rate of a large matrix product (oneDNN's, if built with it), measured before and after in the same run. Writes
// JSON to standard output.
//
//   generate_bench CHECKPOINT [SIZE_PX] [STEPS_MEASURED] [THREADS] [full|int8|bf16] [none|kept|recomputed]
//
// The last says how the decoder computes in bands.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/noise.h"
#include "easel/backend/devices.h"
#include "easel/base/system.h"
#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/weights.h"
#include "easel/pipeline/reduced_layers.h"
#include "easel/text_encoder/text_encoder.h"
#include "easel/unet/unet.h"
#include "easel/vae/vae_decoder.h"

namespace easel::bench {
namespace {

double seconds_of(const auto& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Stage {
  double seconds;  // the median of all repeats
  double first_seconds;
  double flops;
};

Stage measure(Profile& profile, int repeats, const auto& body) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    profile.clear();
    seconds.push_back(seconds_of(body));
  }
  const double first = seconds.front();
  std::ranges::sort(seconds);
  return {.seconds = seconds[seconds.size() / 2], .first_seconds = first, .flops = profile.flops()};
}

nlohmann::json report(const Stage& stage, double gflops) {
  const double limit = stage.flops * 1e-9 / gflops;
  return {{"seconds", stage.seconds},
          {"first_seconds", stage.first_seconds},
          {"tflop", stage.flops * 1e-12},
          {"limit_seconds", limit},
          {"limit_over_seconds", limit / stage.seconds}};
}

nlohmann::json families(const Profile& profile) {
  nlohmann::json out;
  for (const FamilyTotal& total : totals_by_family(profile)) {
    out[name_of(total.family)] = {{"calls", total.calls},
                                  {"seconds", total.seconds},
                                  {"gflop", total.flops * 1e-9},
                                  {"gflop_per_second", total.flops * 1e-9 / total.seconds},
                                  {"gbyte", total.bytes * 1e-9}};
  }
  return out;
}

VaeBands bands_named(const std::string& name) {
  if (name == "kept") return VaeBands::kept;
  if (name == "recomputed") return VaeBands::recomputed;
  return VaeBands::none;
}

std::optional<ReducedNumbers> numbers_named(const std::string& name) {
  if (name == "int8") return ReducedNumbers::int8;
  if (name == "bf16") return ReducedNumbers::bf16;
  return std::nullopt;
}

void run(const std::string& path, int64_t size_px, int repeats, int threads, const std::string& precision,
         VaeBands bands) {
  const double rate_before = matmul_gflops(threads);
  const auto profile = std::make_shared<Profile>();
  const auto device =
      open_device({.threads = threads, .reduced = reduced_products(numbers_named(precision)), .profile = profile});
  std::optional<UNet> unet;
  std::optional<UNet::Conditioning> conditioning;
  nlohmann::json out{{"checkpoint", path}, {"size_px", size_px}, {"threads", threads}, {"precision", precision}};

  const auto start = std::chrono::steady_clock::now();
  const auto checkpoint = Checkpoint::open(path);
  const Weights weights(checkpoint);
  const Stage text = measure(*profile, 1, [&] {
    const TextEncoder encoder(weights / "cond_stage_model");
    std::vector<int32_t> ids(2 * 77, 49407);
    ids[0] = ids[77] = 49406;
    const Tensor context = encoder(Tensor::from(*device, {2, 77}, std::span<const int32_t>(ids)));
    unet.emplace(weights / "model.diffusion_model");
    conditioning = unet->condition(context);
  });
  out["open_to_first_step_seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const Tensor x = noise(*device, {2, size_px / 8, size_px / 8, 4});
  const std::vector<float> timesteps{500.0f, 500.0f};
  const Stage step = measure(*profile, repeats, [&] { (*unet)(x, timesteps, *conditioning); });
  out["unet_families"] = families(*profile);
  out["peak_rss_bytes_before_decode"] = peak_resident_bytes();
  const uint64_t tensor_bytes = device->allocator().bytes_in_use();
  VaeConfig config = VaeConfig::of_decoder(weights / "first_stage_model");
  config.bands = bands;
  const VaeDecoder decoder(weights / "first_stage_model", config);
  const Stage decode = measure(*profile, std::max(1, repeats / 2), [&] { decoder(x.slice(0, 1)); });
  out["vae_families"] = families(*profile);

  const double rate_after = matmul_gflops(threads);
  const double rate = std::max(rate_before, rate_after);
  out["matmul_gflops_before"] = rate_before;
  out["matmul_gflops_after"] = rate_after;
  out["text_encoder"] = report(text, rate);
  out["unet_step"] = report(step, rate);
  out["vae_decode"] = report(decode, rate);
  out["peak_tensor_bytes"] = device->allocator().peak_bytes() - tensor_bytes;
  out["peak_rss_bytes"] = peak_resident_bytes();
  fmt::print("{}\n", out.dump(2));
}

}  // namespace
}  // namespace easel::bench

int main(int argc, char** argv) {
  easel::limit_spinning(argv);
  if (argc < 2 || argc > 7) {
    fmt::print(stderr,
               "usage: generate_bench CHECKPOINT [SIZE_PX] [STEPS_MEASURED] [THREADS] [full|int8|bf16] "
               "[none|kept|recomputed]\n");
    return 2;
  }
  const auto argument = [&](int index, int fallback) { return argc > index ? std::atoi(argv[index]) : fallback; };
  try {
    easel::bench::run(argv[1], argument(2, 512), argument(3, 3), argument(4, easel::processor_count()),
                      argc > 5 ? argv[5] : "full", easel::bench::bands_named(argc > 6 ? argv[6] : "none"));
  } catch (const easel::Error& error) {
    fmt::print(stderr, "generate_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
