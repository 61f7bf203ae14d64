// What a checkpoint wants where a request says nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/family.h"
#include "easel/pipeline/request.h"

namespace easel {

struct GenerationDefaults {
  int64_t width_px = 512;
  int64_t height_px = 512;
  int64_t steps = 50;
  double guidance_scale = 7.5;
  std::string sampler = "ddim";
  std::optional<std::string> schedule = {};  // nothing: the sampler's own
};

// Those of the original scripts, unless the checkpoint carries its own as metadata: `easel.width`, `easel.height`,
// `easel.steps`, `easel.cfg_scale`, `easel.sampler`, `easel.schedule`. Throws Error bad_checkpoint if these are wrong.
GenerationDefaults defaults_for(const Checkpoint& checkpoint, Family family, Parameterization parameterization);

// `request` with nothing left open but the seed.
Request with_defaults(Request request, const GenerationDefaults& defaults);

// Throws Error invalid_request if `request`, with nothing left open, wants noise from a sampler that adds none.
void check_eta(const Request& request);

}  // namespace easel
