#include "easel/pipeline/upscale_request.h"

#include <algorithm>
#include <cmath>

#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/pipeline/check_range.h"
#include "easel/sampling/registry.h"

namespace easel {
namespace {

constexpr double kLanczosFactor = 2.0;

// Those of the original script.
constexpr int64_t kSteps = 50;
constexpr double kGuidanceScale = 9.0;
constexpr int64_t kNoiseLevel = 20;
constexpr const char* kSampler = "ddim";

void refuse_if(bool given, std::string_view name, UpscalerKind kind) {
  if (!given) return;
  throw Error(ErrorCode::invalid_request, "{} is for the diffusion upscaler; {} has no use for it: leave it out", name,
              kind == UpscalerKind::lanczos ? "Lanczos" : "an ESRGAN network");
}

void refuse_diffusion_settings(const UpscaleRequest& request, UpscalerKind kind) {
  refuse_if(request.watermark_text.has_value(), "a watermark", kind);
  refuse_if(request.prompt.has_value(), "a prompt", kind);
  refuse_if(request.negative_prompt.has_value(), "a negative prompt", kind);
  refuse_if(request.noise_level.has_value(), "the noise level", kind);
  refuse_if(request.image_seed.has_value(), "the image seed", kind);
  refuse_if(request.steps.has_value(), "a number of steps", kind);
  refuse_if(request.guidance_scale.has_value(), "the cfg scale", kind);
  refuse_if(request.sampler.has_value(), "a sampler", kind);
  refuse_if(request.schedule.has_value(), "a schedule", kind);
  refuse_if(request.eta.has_value(), "eta", kind);
  refuse_if(request.seed.has_value(), "a seed", kind);
  refuse_if(request.rng.has_value(), "the choice of random numbers", kind);
}

void check_tile_size(std::string_view name, int64_t size_px, int64_t low, int64_t high) {
  check_range(name, size_px, low, high);
  if (size_px % kTileStepPx == 0) return;
  const int64_t below = size_px / kTileStepPx * kTileStepPx;
  throw Error(ErrorCode::invalid_request, "{} is {}, expected a multiple of {}: {} or {}", name, size_px, kTileStepPx,
              below, below + kTileStepPx);
}

void check_tiles(const UpscaleRequest& request, UpscalerKind kind) {
  if (kind == UpscalerKind::lanczos && (request.tile_px || request.overlap_px)) {
    throw Error(ErrorCode::invalid_request, "tiles are for networks; Lanczos needs none: leave them out");
  }
  if (request.tile_px) check_tile_size("tile", *request.tile_px, kSmallestTilePx, kMaxTilePx);
  const int64_t widest = request.tile_px.value_or(kLargestTilePx) / 2 / kTileStepPx * kTileStepPx;
  if (request.overlap_px) check_tile_size("overlap", *request.overlap_px, kTileStepPx, widest);
}

void check_size(const UpscaleRequest& request, UpscalerKind kind, int64_t scale) {
  const double factor = *request.factor;
  if (kind == UpscalerKind::lanczos) {
    check_range("factor", factor, 1.0, kMaxUpscaleFactor);
  } else if (!(factor >= 1.0 && factor <= static_cast<double>(scale))) {
    throw Error(ErrorCode::invalid_request,
                "factor is {}, but this upscaler makes images {} times as large, expected 1 to {}; for more, upscale "
                "the result once more",
                factor, scale, scale);
  }
  const int64_t whole = kind == UpscalerKind::lanczos ? 1 : scale;  // before it is made smaller again
  const Size size = upscaled_size(request);
  const Size made{request.image.width_px() * whole, request.image.height_px() * whole};
  if (!fits_image_limit(size) || !fits_image_limit(made)) {
    throw Error(ErrorCode::invalid_request, "{}x{} pixels would become {}x{}; no image takes more than {}",
                request.image.width_px(), request.image.height_px(), std::max(size.width_px, made.width_px),
                std::max(size.height_px, made.height_px), format_bytes(kMaxImageBytes));
  }
}

}  // namespace

std::string_view name_of(UpscalerKind kind) {
  switch (kind) {
    case UpscalerKind::lanczos: return "lanczos";
    case UpscalerKind::network: return "network";
    case UpscalerKind::diffusion: break;
  }
  return "diffusion";
}

void check(const UpscaleRequest& request, UpscalerKind kind, int64_t scale) {
  if (request.image.empty()) throw Error(ErrorCode::invalid_request, "there is no image to make larger");
  if (kind != UpscalerKind::diffusion) refuse_diffusion_settings(request, kind);
  check_tiles(request, kind);
  const UpscaleRequest completed = with_defaults(request, kind, scale);
  check_size(completed, kind, scale);
  if (kind != UpscalerKind::diffusion) return;
  check_range("noise level", *completed.noise_level, 0, kMaxNoiseLevel);
  check(sampling_request(completed));
}

UpscaleRequest with_defaults(UpscaleRequest request, UpscalerKind kind, int64_t scale) {
  if (!request.factor) request.factor = kind == UpscalerKind::lanczos ? kLanczosFactor : static_cast<double>(scale);
  if (kind != UpscalerKind::diffusion) return request;
  if (!request.prompt) request.prompt.emplace();
  if (!request.negative_prompt) request.negative_prompt.emplace();
  if (!request.noise_level) request.noise_level = kNoiseLevel;
  if (!request.steps) request.steps = kSteps;
  if (!request.guidance_scale) request.guidance_scale = kGuidanceScale;
  if (!request.rng) request.rng = "cpu";
  const SamplerChoice choice = find_sampler(request.sampler.value_or(kSampler));
  request.sampler = choice.sampler.name;
  if (!request.schedule) request.schedule = choice.schedule.name;
  return request;
}

Request sampling_request(const UpscaleRequest& request) {
  Request sampling;
  sampling.prompt = *request.prompt;
  sampling.negative_prompt = *request.negative_prompt;
  sampling.steps = request.steps;
  sampling.guidance_scale = request.guidance_scale;
  sampling.sampler = request.sampler;
  sampling.schedule = request.schedule;
  sampling.eta = request.eta;
  sampling.seed = request.seed;
  sampling.rng = *request.rng;
  sampling.watermark = request.watermark;
  sampling.watermark_text = request.watermark_text;
  return sampling;
}

UpscaleRequest without_images(UpscaleRequest request) {
  request.image = {};
  return request;
}

Size upscaled_size(const UpscaleRequest& request) {
  const auto scaled = [&](int64_t side_px) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(side_px) * *request.factor));
  };
  return {scaled(request.image.width_px()), scaled(request.image.height_px())};
}

}  // namespace easel
