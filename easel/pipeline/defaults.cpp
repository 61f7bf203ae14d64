#include "easel/pipeline/defaults.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/catalogue.h"
#include "easel/sampling/registry.h"

namespace easel {
namespace {

constexpr const char* kPrefix = "easel.";

std::optional<std::string> find(const Checkpoint& checkpoint, const char* key) {
  const auto at = checkpoint.metadata().find(std::string(kPrefix) + key);
  if (at == checkpoint.metadata().end()) return std::nullopt;
  return at->second;
}

template <typename T>
void read_number(const Checkpoint& checkpoint, const char* key, T& out) {
  const auto text = find(checkpoint, key);
  if (!text) return;
  const auto number = parse_number<T>(*text);
  if (!number) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the metadata {}{} is no number", checkpoint.file(), kPrefix, key);
  }
  out = *number;
}

GenerationDefaults from_metadata(const Checkpoint& checkpoint, GenerationDefaults defaults) {
  read_number(checkpoint, "width", defaults.width_px);
  read_number(checkpoint, "height", defaults.height_px);
  read_number(checkpoint, "steps", defaults.steps);
  read_number(checkpoint, "cfg_scale", defaults.guidance_scale);
  if (const auto sampler = find(checkpoint, "sampler")) defaults.sampler = *sampler;
  defaults.schedule = find(checkpoint, "schedule");
  return defaults;
}

}  // namespace

GenerationDefaults defaults_for(const Checkpoint& checkpoint, Family family, Parameterization parameterization) {
  const int64_t side_px = default_size_px(family, parameterization);
  const GenerationDefaults defaults = from_metadata(checkpoint, {.width_px = side_px, .height_px = side_px});
  try {
    check(with_defaults({}, defaults));
  } catch (const Error& fault) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the defaults in its metadata are wrong: {}", checkpoint.file(),
                fault.what());
  }
  return defaults;
}

Request with_defaults(Request request, const GenerationDefaults& defaults) {
  if (!request.width_px) request.width_px = defaults.width_px;
  if (!request.height_px) request.height_px = defaults.height_px;
  if (!request.steps) request.steps = defaults.steps;
  if (!request.guidance_scale) request.guidance_scale = defaults.guidance_scale;
  if (!request.sampler) {
    request.sampler = defaults.sampler;
    if (!request.schedule) request.schedule = defaults.schedule;
  }
  const SamplerChoice choice = find_sampler(*request.sampler);
  request.sampler = choice.sampler.name;
  if (!request.schedule) request.schedule = choice.schedule.name;
  return request;
}

bool takes_eta(const std::string& sampler) {
  constexpr std::array<std::string_view, 11> kWithout = {
      "plms", "dpm_solver", "euler", "heun", "dpm_2", "lms", "dpmpp_2m", "dpmpp_multistep", "dpmpp_3m", "unipc", "lcm"};
  return std::find(kWithout.begin(), kWithout.end(), find_sampler(sampler).sampler.name) == kWithout.end();
}

void check_eta(const Request& request) {
  if (request.eta.value_or(0.0) == 0.0 || takes_eta(*request.sampler)) return;
  throw Error(ErrorCode::invalid_request, "eta is {}, but the sampler {} adds no noise; use ddim or leave eta out",
              *request.eta, *request.sampler);
}

}  // namespace easel
