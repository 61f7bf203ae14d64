#include "easel/pipeline/parameters.h"

#include <algorithm>

#include "easel/base/text.h"
#include "easel/image/infotext.h"
#include "easel/pipeline/pipeline.h"

namespace easel {
namespace {

// The names that AUTOMATIC1111 gives to where random numbers come from.
std::string rng_label(const std::string& rng) {
  if (rng == "gpu") return "NV";
  if (rng == "cpu") return "CPU";
  return rng;
}

}  // namespace

std::string describe(const Request& request, const PlannedImage& image, const std::string& model_name) {
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
  add("Model", model_name);
  if (request.eta) add("Eta", fmt::format("{}", *request.eta));
  add("RNG", rng_label(request.rng));
  if (request.noise_order == NoiseOrder::compvis) add("Batch noise", std::string(name_of(request.noise_order)));
  add("Version", program_version());
  return write_infotext(text);
}

}  // namespace easel
