// Request: what a person asks for, as plain values. Every program builds the same Request, so every program gives the
// same image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

// Who draws the noise of a batch.
enum class NoiseOrder {
  per_image,  // image i has a generator of its own, seeded seed + i: it equals the single image of that seed
  compvis,    // one generator draws for all images and batches in turn, as the original scripts do
};

// What is left empty is filled from the model's defaults.
struct Request {
  std::string prompt = {};
  std::vector<std::string> prompts = {};  // if any: one image for each, `batch_size` at a time, instead of `prompt`
  std::string negative_prompt = {};
  std::optional<int64_t> width_px = {};
  std::optional<int64_t> height_px = {};
  std::optional<int64_t> steps = {};
  std::optional<double> guidance_scale = {};
  std::optional<std::string> sampler = {};  // "DPM++ 2M Karras" may name a schedule too
  std::optional<std::string> schedule = {};
  std::optional<double> eta = {};     // share of fresh noise at each step; each sampler has its own default
  std::optional<uint64_t> seed = {};  // nothing: a random one
  std::string rng = "cpu";            // whose random numbers: "cpu" and "gpu" as PyTorch's, "numpy"
  NoiseOrder noise_order = NoiseOrder::per_image;
  bool fixed_code = false;  // every batch starts from the same noise
  int64_t batch_size = 1;   // images made together
  int64_t batch_count = 1;
  bool watermark = true;
};

inline constexpr int64_t kSizeMultiplePx = 64;
inline constexpr int64_t kMaxSidePx = 8192;
inline constexpr int64_t kMaxSteps = 1000;
inline constexpr int64_t kMaxBatchSize = 64;
inline constexpr int64_t kMaxBatchCount = 10'000;
inline constexpr double kMaxGuidanceScale = 1000.0;
inline constexpr size_t kMaxPromptBytes = 64 * 1024;
inline constexpr size_t kMaxPrompts = 10'000;

// Throws Error invalid_request that names the value, what it may be and, where known, the cure.
void check(const Request& request);

// One image of a job.
struct PlannedImage {
  std::string prompt;
  uint64_t seed;
};
// The batches of `request` in the order they are made. Image k of the whole job has the seed `seed` + k; with
// `fixed_code` image i of every batch has `seed` + i.
std::vector<std::vector<PlannedImage>> plan_batches(const Request& request, uint64_t seed);

// As JSON: `width`, `height` and `cfg_scale` are spelled as other programs do; what is empty is left out.
std::string to_json(const Request& request);
// Throws Error invalid_request: no JSON, an unknown key (the nearest is suggested), a wrong type, a value out of range.
Request parse_request(std::string_view json);

std::string_view name_of(NoiseOrder order);           // "per-image", "compvis"
NoiseOrder parse_noise_order(std::string_view name);  // throws Error invalid_request

}  // namespace easel
