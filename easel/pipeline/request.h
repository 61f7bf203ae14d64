// Request: what a person asks for, as plain values. Every program builds the same Request, so every program gives the
// same image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/image/fit.h"
#include "easel/image/grey16.h"
#include "easel/image/image.h"
#include "easel/pipeline/control_choice.h"
#include "easel/pipeline/lora_choice.h"
#include "easel/pipeline/task.h"

namespace easel {

// Who draws the noise of a batch.
enum class NoiseOrder {
  per_image,  // image i has a generator of its own, seeded seed + i: it equals the single image of that seed
  compvis,    // one generator draws for all images and batches in turn, as the original scripts do
};

// What is left empty is filled from the model's defaults, or does not apply to the task: check() refuses a value that
// would be ignored.
struct Request {
  Task task = Task::txt2img;
  std::string prompt = {};
  std::vector<std::string> prompts = {};  // if any: one image for each, `batch_size` at a time, instead of `prompt`
  std::string negative_prompt = {};
  // No weights, schedules, AND, BREAK, LoRAs or learned words; cut to what the encoder takes at once.
  bool plain_prompt = false;
  std::optional<int64_t> clip_skip = {};  // the text encoder's last layer but so many, counted from 1
  std::vector<LoraChoice> loras = {};     // beside those that the prompt names: <lora:name:0.8>
  std::vector<ControlChoice> controls = {};
  std::optional<int64_t> width_px = {};
  std::optional<int64_t> height_px = {};
  std::optional<int64_t> steps = {};
  std::optional<double> guidance_scale = {};
  std::optional<std::string> sampler = {};  // "DPM++ 2M Karras" may name a schedule too
  std::optional<std::string> schedule = {};
  std::optional<double> eta = {};     // share of fresh noise at each step; each sampler has its own default
  std::optional<uint64_t> seed = {};  // nothing: a random one
  // Whose random numbers: "cpu" and "gpu" as PyTorch's; "numpy": the start as NumPy's, what follows as PyTorch's CPU,
  // as in the original scripts for inpainting and upscaling.
  std::string rng = "cpu";
  std::optional<uint64_t> variation_seed = {};    // of a second start noise, towards which the first is turned
  std::optional<double> variation_strength = {};  // how far: 0 to 1
  NoiseOrder noise_order = NoiseOrder::per_image;
  bool fixed_code = false;  // every batch starts from the same noise
  int64_t batch_size = 1;   // images made together
  int64_t batch_count = 1;
  bool tiling = false;  // the image can be laid side by side without a seam
  // Less work for nearly the same image (docs/less-work.md).
  std::optional<double> token_merging_ratio = {};  // of the tokens of the largest feature map, 0 to 0.75
  std::optional<int64_t> cache_interval = {};      // one call of the network in so many is a full one
  std::optional<int64_t> cache_branch = {};        // how much of it the others compute; 0: the least
  bool watermark = true;
  std::optional<std::string> watermark_text = {};  // nothing: that of the original scripts

  // img2img, inpaint, depth2img
  std::optional<Image> init_image = {};
  std::optional<FitMode> resize_mode = {};  // how it gets to width x height
  std::optional<double> strength = {};      // 0: the image as it is, 1: as if drawn from noise
  std::optional<StrengthMode> strength_mode = {};
  std::optional<uint64_t> image_seed = {};  // of the noise with which images are encoded; else it follows `seed`

  // inpaint
  std::optional<Mask> mask = {};  // of the size of init_image; 255: draw anew
  bool invert_mask = false;
  std::optional<int64_t> mask_blur_px = {};  // standard deviation
  std::optional<MaskFill> mask_fill = {};
  bool only_masked = false;                     // works on the masked part alone, at the full width x height
  std::optional<int64_t> mask_padding_px = {};  // what only_masked sees around the mask
  Margins margins = {};                         // the canvas grows; the margins are masked
  bool composite = true;                        // put the unmasked pixels of init_image back at the end

  // depth2img
  std::optional<Grey16> depth_map = {};  // of any size, brighter is nearer; else estimated

  // txt2img: a second pass at a larger size
  std::optional<double> hires_scale = {};
  std::optional<std::string> hires_upscaler = {};  // task.h; a network by its name in the models folders
  std::optional<int64_t> hires_steps = {};         // else as `steps`
  std::optional<double> hires_strength = {};
};

inline constexpr int64_t kSizeMultiplePx = 64;
inline constexpr int64_t kMaxSidePx = 8192;
inline constexpr int64_t kMaxSteps = 1000;
inline constexpr int64_t kMaxBatchSize = 64;
inline constexpr int64_t kMaxBatchCount = 10'000;
inline constexpr double kMaxGuidanceScale = 1000.0;
inline constexpr size_t kMaxPromptBytes = 64 * 1024;
inline constexpr int64_t kMaxClipSkip = 12;
inline constexpr size_t kMaxPrompts = 10'000;
inline constexpr int64_t kMaxMaskBlurPx = 512;
inline constexpr double kMaxHiresScale = 8.0;
inline constexpr int64_t kMaxCacheInterval = 100;
inline constexpr int64_t kMaxCacheBranch = 99;  // each model has a limit of its own

// Throws Error invalid_request that names the value, what it may be and, where known, the cure.
void check(const Request& request);

uint64_t random_seed();  // 32 bits, which every generator tells apart

// One image of a job.
struct PlannedImage {
  std::string prompt;
  uint64_t seed;
  uint64_t variation_seed = 0;
};
// The batches of `request` in the order they are made. Image k of the whole job has the seed `seed` + k; with
// `fixed_code` image i of every batch has `seed` + i. With variations all have `seed`, and the variation seed counts.
std::vector<std::vector<PlannedImage>> plan_batches(const Request& request, uint64_t seed);

// As JSON: `width`, `height` and `cfg_scale` are spelled as other programs do; what is empty is left out.
std::string to_json(const Request& request);
Request without_images(Request request);  // for those who show its settings; check() may refuse it
// Throws Error invalid_request: no JSON, an unknown key (the nearest is suggested), a wrong type, a value out of range.
Request parse_request(std::string_view json);

}  // namespace easel
