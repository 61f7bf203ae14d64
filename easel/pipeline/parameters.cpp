#include "easel/pipeline/parameters.h"

#include <algorithm>

#include "easel/base/text.h"
#include "easel/image/infotext.h"
#include "easel/pipeline/hires_upscaler.h"
#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/request_names.h"

namespace easel {

std::string rng_label(const std::string& rng) {
  if (rng == "gpu") return "NV";
  if (rng == "cpu") return "CPU";
  return rng;
}

namespace {

// As AUTOMATIC1111 names it where it knows it.
template <typename Add>
void describe_image_start(const Request& request, const Add& add) {
  if (request.task == Task::txt2img) return;
  add("Task", std::string(choice_name(request.task)));
  add("Denoising strength", fmt::format("{}", *request.strength));
  if (request.strength_mode) add("Strength mode", std::string(choice_name(*request.strength_mode)));
  if (request.resize_mode) add("Resize mode", std::string(choice_name(*request.resize_mode)));
  if (request.image_seed) add("Image seed", std::to_string(*request.image_seed));
  if (request.mask_blur_px) add("Mask blur", std::to_string(*request.mask_blur_px));
  if (request.mask_fill) add("Masked content", std::string(choice_name(*request.mask_fill)));
  if (request.only_masked) add("Inpaint area", "Only masked");
  if (request.mask_padding_px) add("Masked area padding", std::to_string(*request.mask_padding_px));
}

// Those that the prompt does not name itself.
std::string lora_list(const Request& request) {
  std::vector<std::string> names;
  for (const LoraChoice& choice : request.loras) names.push_back(to_text(choice));
  return fmt::format("{}", fmt::join(names, ", "));
}

template <typename Add>
void describe_less_work(const Request& request, const Add& add) {
  if (request.token_merging_ratio) add("Token merging ratio", fmt::format("{}", *request.token_merging_ratio));
  if (request.cache_interval) add("Cache interval", std::to_string(*request.cache_interval));
  if (request.cache_branch) add("Cache branch", std::to_string(*request.cache_branch));
}

}  // namespace

std::string describe(const Request& request, const PlannedImage& image, const ModelName& model,
                     const std::string& lora_hashes) {
  Infotext text{.prompt = image.prompt, .negative_prompt = request.negative_prompt, .fields = {}};
  const auto add = [&](std::string key, std::string value) {
    text.fields.push_back({std::move(key), std::move(value)});
  };
  add("Steps", std::to_string(*request.steps));
  add("Sampler", *request.sampler);
  add("Schedule type", *request.schedule);
  add("CFG scale", fmt::format("{}", *request.guidance_scale));
  add("Seed", std::to_string(image.seed));
  add("Size", fmt::format("{}x{}", *request.width_px, *request.height_px));
  add("Model hash", model.hash);
  add("Model", model.name);
  if (request.plain_prompt) add("Plain prompt", "True");
  if (request.clip_skip) add("Clip skip", std::to_string(*request.clip_skip));
  describe_image_start(request, add);
  if (request.variation_strength) {
    add("Variation seed", std::to_string(image.variation_seed));
    add("Variation seed strength", fmt::format("{}", *request.variation_strength));
  }
  if (request.hires_scale) {
    add("Hires upscale", fmt::format("{}", *request.hires_scale));
    add("Hires upscaler", hires_upscaler_label(request));
    if (request.hires_steps) add("Hires steps", std::to_string(*request.hires_steps));
    if (request.hires_strength) add("Denoising strength", fmt::format("{}", *request.hires_strength));
  }
  if (!request.loras.empty()) add("Loras", lora_list(request));
  if (!lora_hashes.empty()) add("Lora hashes", lora_hashes);
  for (size_t i = 0; i < request.controls.size(); ++i) {
    add(fmt::format("ControlNet {}", i), describe(request.controls[i]));
  }
  if (request.eta) add("Eta", fmt::format("{}", *request.eta));
  add("RNG", rng_label(request.rng));
  if (request.noise_order == NoiseOrder::compvis) add("Batch noise", std::string(choice_name(request.noise_order)));
  if (request.tiling) add("Tiling", "True");
  describe_less_work(request, add);
  add("Version", program_version());
  return write_infotext(text);
}

}  // namespace easel
