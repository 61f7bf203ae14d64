#include "easel/pipeline/request.h"

#include <algorithm>
#include <cmath>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/sampling/random.h"
#include "easel/sampling/registry.h"

namespace easel {
namespace {

void check_range(std::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high) {
    throw Error(ErrorCode::invalid_request, "{} is {}, expected {} to {}", name, value, low, high);
  }
}

void check_range(std::string_view name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {  // NaN too
    throw Error(ErrorCode::invalid_request, "{} is {}, expected {} to {}", name, value, low, high);
  }
}

void check_side(std::string_view name, int64_t side_px) {
  check_range(name, side_px, kSizeMultiplePx, kMaxSidePx);
  if (side_px % kSizeMultiplePx == 0) return;
  const int64_t below = side_px / kSizeMultiplePx * kSizeMultiplePx;
  throw Error(ErrorCode::invalid_request, "{} is {}, expected a multiple of {}: {} or {}", name, side_px,
              kSizeMultiplePx, below, std::min(below + kSizeMultiplePx, kMaxSidePx));
}

void check_prompt(std::string_view name, std::string_view prompt) {
  if (prompt.size() > kMaxPromptBytes) {
    throw Error(ErrorCode::invalid_request, "the {} has {} bytes, expected at most {}", name, prompt.size(),
                kMaxPromptBytes);
  }
  if (!is_utf8(prompt)) {
    throw Error(ErrorCode::invalid_request, "the {} is not valid UTF-8; save the text as UTF-8 or use a UTF-8 terminal",
                name);
  }
}

void check_prompts(const Request& request) {
  check_prompt("prompt", request.prompt);
  check_prompt("negative prompt", request.negative_prompt);
  if (request.prompts.size() > kMaxPrompts) {
    throw Error(ErrorCode::invalid_request, "{} prompts, expected at most {}", request.prompts.size(), kMaxPrompts);
  }
  for (size_t i = 0; i < request.prompts.size(); ++i) {
    check_prompt(fmt::format("prompt number {}", i + 1), request.prompts[i]);
  }
}

}  // namespace

void check(const Request& request) {
  check_prompts(request);
  if (request.width_px) check_side("width", *request.width_px);
  if (request.height_px) check_side("height", *request.height_px);
  if (request.width_px && request.height_px && !fits_image_limit({*request.width_px, *request.height_px})) {
    throw Error(ErrorCode::invalid_request, "{}x{} is too large; no image takes more than {}", *request.width_px,
                *request.height_px, format_bytes(kMaxImageBytes));
  }
  if (request.steps) check_range("steps", *request.steps, 1, kMaxSteps);
  if (request.guidance_scale) check_range("cfg scale", *request.guidance_scale, -kMaxGuidanceScale, kMaxGuidanceScale);
  if (request.eta) check_range("eta", *request.eta, 0.0, 1.0);
  check_range("batch size", request.batch_size, 1, kMaxBatchSize);
  check_range("batch count", request.batch_count, 1, kMaxBatchCount);
  if (request.sampler) find_sampler(*request.sampler);
  if (request.schedule) find_schedule(*request.schedule);
  parse_rng_kind(request.rng);
}

std::vector<std::vector<PlannedImage>> plan_batches(const Request& request, uint64_t seed) {
  std::vector<std::string> prompts = request.prompts;
  if (prompts.empty()) prompts.assign(static_cast<size_t>(request.batch_size), request.prompt);
  const auto batch_size = static_cast<size_t>(request.batch_size);

  std::vector<std::vector<PlannedImage>> batches;
  uint64_t made = 0;
  for (int64_t round = 0; round < request.batch_count; ++round) {
    for (size_t begin = 0; begin < prompts.size(); begin += batch_size) {
      std::vector<PlannedImage>& batch = batches.emplace_back();
      for (size_t i = begin; i < std::min(begin + batch_size, prompts.size()); ++i) {
        batch.push_back({.prompt = prompts[i], .seed = seed + (request.fixed_code ? i - begin : made)});
        ++made;
      }
    }
  }
  return batches;
}

std::string_view name_of(NoiseOrder order) { return order == NoiseOrder::compvis ? "compvis" : "per-image"; }

NoiseOrder parse_noise_order(std::string_view name) {
  if (name == "per-image") return NoiseOrder::per_image;
  if (name == "compvis") return NoiseOrder::compvis;
  throw Error(ErrorCode::invalid_request, "batch noise '{}' is unknown, expected per-image or compvis", name);
}

}  // namespace easel
