// UpscaleRequest: an image to be made larger, and how, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "easel/image/image.h"
#include "easel/pipeline/request.h"

namespace easel {

enum class UpscalerKind {
  lanczos,    // plain resizing
  network,    // ESRGAN and Real-ESRGAN
  diffusion,  // the x4 upscaler of Stable Diffusion 2: takes a prompt
};
std::string_view name_of(UpscalerKind kind);

// What is left empty is filled by the upscaler.
struct UpscaleRequest {
  Image image = {};
  std::optional<double> factor = {};  // nothing: 2 with Lanczos, otherwise that of the network, which is also the most
  std::optional<int64_t> tile_px = {};     // of `image`; nothing: as large as memory allows, at most kLargestTilePx
  std::optional<int64_t> overlap_px = {};  // of neighbouring tiles
  bool watermark = true;                   // on what diffusion made

  // For diffusion alone.
  std::optional<std::string> watermark_text = {};  // nothing: that of the original script
  std::optional<std::string> prompt = {};
  std::optional<std::string> negative_prompt = {};
  std::optional<int64_t> noise_level = {};  // noise put on `image` first: more lets the network invent more
  std::optional<uint64_t> image_seed = {};  // of that noise; else it follows `seed`
  std::optional<int64_t> steps = {};
  std::optional<double> guidance_scale = {};
  std::optional<std::string> sampler = {};
  std::optional<std::string> schedule = {};
  std::optional<double> eta = {};
  std::optional<uint64_t> seed = {};    // nothing: a random one
  std::optional<std::string> rng = {};  // as Request::rng
};

inline constexpr double kMaxUpscaleFactor = 16.0;
inline constexpr int64_t kMaxNoiseLevel = 350;  // what the x4 upscaler was trained with
inline constexpr int64_t kTileStepPx = 8;       // tiles and overlaps are multiples of this
inline constexpr int64_t kSmallestTilePx = 32;
inline constexpr int64_t kLargestTilePx = 256;  // unless a request says otherwise
inline constexpr int64_t kMaxTilePx = 4096;
inline constexpr int64_t kOverlapPx = 32;

// Throws Error invalid_request that names the value, what it may be and, where known, the cure: also for settings of
// diffusion with another kind of upscaler. scale: what a network makes of a pixel's side; any number with Lanczos.
void check(const UpscaleRequest& request, UpscalerKind kind, int64_t scale);

// `request` with nothing left open but tiles and seeds.
UpscaleRequest with_defaults(UpscaleRequest request, UpscalerKind kind, int64_t scale);

// The settings of diffusion as sampling takes them. The request has nothing left open.
Request sampling_request(const UpscaleRequest& request);

// Width and height of the result. The request has a factor.
Size upscaled_size(const UpscaleRequest& request);

// As JSON, with the `task` "upscale" and the image as `init_image`; otherwise as of a Request. What is empty is left
// out.
std::string to_json(const UpscaleRequest& request);
UpscaleRequest without_images(UpscaleRequest request);
// Throws Error invalid_request as parse_request() does; ranges are left to check().
UpscaleRequest parse_upscale_request(std::string_view json);
inline constexpr const char* kUpscaleTask = "upscale";

}  // namespace easel
