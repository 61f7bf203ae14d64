// Samplers by the names people know: CompVis, k-diffusion, AUTOMATIC1111 and diffusers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/sampling/samplers.h"
#include "easel/sampling/schedule.h"

namespace easel {

// What a user may set; a sampler ignores what it has no use for.
struct SamplerOptions {
  std::optional<double> eta;  // share of fresh noise; each sampler has its own default
  Churn churn;                // s_noise also scales the noise of the ancestral and SDE samplers
};

struct SamplerInfo {
  std::string name;
  std::vector<std::string> aliases;
  std::string description;
  Convention convention;
  std::string schedule;  // the default one
  std::unique_ptr<Sampler> (*make)(const SamplerOptions& options);
  bool brownian = false;  // its noise is the increment of a Brownian motion: see BrownianNoise
};

const std::vector<SamplerInfo>& samplers();

struct SamplerChoice {
  const SamplerInfo& sampler;
  const Schedule& schedule;  // the sampler's default unless the name says another
};

// By name or alias, ignoring case, spaces, `-` and `_`; a schedule may follow, as in "DPM++ 2M Karras".
// Throws Error invalid_request that suggests the nearest name.
SamplerChoice find_sampler(std::string_view name);

}  // namespace easel
