#include "easel/pipeline/request.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/watermark.h"
#include "easel/pipeline/check_range.h"
#include "easel/pipeline/tasks.h"
#include "easel/sampling/random.h"
#include "easel/sampling/registry.h"
#include "easel/unet/token_merging.h"

namespace easel {
namespace {

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
  loras_of(request);
}

void check_watermark(const Request& request) {
  if (!request.watermark_text) return;
  check_prompt("watermark", *request.watermark_text);
  check_watermark_text(*request.watermark_text);
  if (!request.watermark)
    throw Error(ErrorCode::invalid_request, "a watermark's text is given, but no watermark wanted");
}

void check_image_settings(const Request& request) {
  if (request.strength) check_range("strength", *request.strength, 0.0, 1.0);
  if (request.mask_blur_px) check_range("mask blur", *request.mask_blur_px, 0, kMaxMaskBlurPx);
  if (request.mask_padding_px) check_range("mask padding", *request.mask_padding_px, 0, kMaxSidePx);
  check_range("left margin", request.margins.left_px, 0, kMaxSidePx);
  check_range("top margin", request.margins.top_px, 0, kMaxSidePx);
  check_range("right margin", request.margins.right_px, 0, kMaxSidePx);
  check_range("bottom margin", request.margins.bottom_px, 0, kMaxSidePx);
}

void check_second_pass(const Request& request) {
  if (request.hires_scale) check_range("hires scale", *request.hires_scale, 1.0, kMaxHiresScale);
  if (request.hires_upscaler && request.hires_upscaler->empty()) {
    throw Error(ErrorCode::invalid_request,
                "the hires upscaler has no name; expected latent, lanczos, nearest or an ESRGAN network");
  }
  if (request.hires_steps) check_range("hires steps", *request.hires_steps, 1, kMaxSteps);
  if (request.hires_strength) check_range("hires strength", *request.hires_strength, 0.0, 1.0);
}

void check_variations(const Request& request) {
  if (!request.variation_strength) return;
  check_range("variation strength", *request.variation_strength, 0.0, 1.0);
  if (request.noise_order == NoiseOrder::compvis) {
    throw Error(ErrorCode::invalid_request,
                "variations turn the noise of each image on its own; leave batch noise 'compvis' out");
  }
}

void check_less_work(const Request& request) {
  if (request.token_merging_ratio) {
    check_range("token merging ratio", *request.token_merging_ratio, 0.0, kMaxTokenMergingRatio);
  }
  if (request.cache_interval) check_range("cache interval", *request.cache_interval, 1, kMaxCacheInterval);
  if (!request.cache_branch) return;
  check_range("cache branch", *request.cache_branch, 0, kMaxCacheBranch);
  if (!request.cache_interval) {
    throw Error(ErrorCode::invalid_request, "a cache branch is given, but no cache interval; say --cache N too");
  }
}

}  // namespace

void check(const Request& request) {
  check_task(request);
  check_image_settings(request);
  check_watermark(request);
  check_second_pass(request);
  check_variations(request);
  check_less_work(request);
  check_prompts(request);
  check_controls(request);
  if (request.width_px) check_side("width", *request.width_px);
  if (request.height_px) check_side("height", *request.height_px);
  if (request.width_px && request.height_px && !fits_image_limit({*request.width_px, *request.height_px})) {
    throw Error(ErrorCode::invalid_request, "{}x{} is too large; no image takes more than {}", *request.width_px,
                *request.height_px, format_bytes(kMaxImageBytes));
  }
  if (request.steps) check_range("steps", *request.steps, 1, kMaxSteps);
  if (request.guidance_scale) check_range("cfg scale", *request.guidance_scale, -kMaxGuidanceScale, kMaxGuidanceScale);
  if (request.clip_skip) check_range("clip skip", *request.clip_skip, 1, kMaxClipSkip);
  if (request.eta) check_range("eta", *request.eta, 0.0, 1.0);
  check_range("batch size", request.batch_size, 1, kMaxBatchSize);
  check_range("batch count", request.batch_count, 1, kMaxBatchCount);
  if (request.sampler) find_sampler(*request.sampler);
  if (request.schedule) find_schedule(*request.schedule);
  parse_rng_kind(request.rng);
}

uint64_t random_seed() { return std::random_device()(); }

Request without_images(Request request) {
  request.init_image.reset();
  request.mask.reset();
  request.depth_map.reset();
  for (ControlChoice& control : request.controls) control.image.reset();
  return request;
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
        const uint64_t offset = request.fixed_code ? i - begin : made;
        const bool varied = request.variation_strength.value_or(0.0) > 0.0;
        batch.push_back({.prompt = prompts[i],
                         .seed = seed + (varied ? 0 : offset),
                         .variation_seed = request.variation_seed.value_or(0) + offset});
        ++made;
      }
    }
  }
  return batches;
}

}  // namespace easel
