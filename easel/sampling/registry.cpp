#include "easel/sampling/registry.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/sampling/dpm_solvers.h"
#include "easel/sampling/samplers.h"

namespace easel {
namespace {

using Made = std::unique_ptr<Sampler>;

template <typename Solver>
Made make_plain(const SamplerOptions&) {
  return std::make_unique<Solver>();
}

template <typename Solver>
Made make_churned(const SamplerOptions& o) {
  return std::make_unique<Solver>(o.churn);
}

template <typename Solver>
Made make_ancestral(const SamplerOptions& o) {
  return std::make_unique<Solver>(o.eta.value_or(1.0), o.churn.s_noise);
}

Made make_ddim(const SamplerOptions& o) { return std::make_unique<DdimSampler>(o.eta.value_or(0.0)); }
Made make_tcd(const SamplerOptions& o) { return std::make_unique<TcdSampler>(o.eta.value_or(0.3)); }
Made make_dpm_fast(const SamplerOptions& o) {
  return std::make_unique<DpmFastSampler>(o.eta.value_or(0.0), o.churn.s_noise);
}
Made make_dpm_adaptive(const SamplerOptions& o) {
  return std::make_unique<DpmAdaptiveSampler>(
      DpmAdaptiveOptions{.eta = o.eta.value_or(0.0), .s_noise = o.churn.s_noise});
}
Made make_dpmpp_2m(const SamplerOptions&) {
  return std::make_unique<DpmMultistepSampler>(DpmMultistepOptions{.lower_order_final = false});
}
Made make_dpmpp_3m(const SamplerOptions&) {
  return std::make_unique<DpmMultistepSampler>(DpmMultistepOptions{.order = 3});
}
Made make_dpmpp_2m_sde(const SamplerOptions& o) {
  return std::make_unique<DpmMultistepSampler>(
      DpmMultistepOptions{.eta = o.eta.value_or(1.0), .s_noise = o.churn.s_noise, .lower_order_final = false});
}
Made make_dpmpp_2m_sde_heun(const SamplerOptions& o) {
  return std::make_unique<DpmMultistepSampler>(DpmMultistepOptions{.eta = o.eta.value_or(1.0),
                                                                   .s_noise = o.churn.s_noise,
                                                                   .correction = DpmMultistepOptions::Correction::heun,
                                                                   .lower_order_final = false});
}
Made make_dpmpp_3m_sde(const SamplerOptions& o) {
  return std::make_unique<DpmMultistepSampler>(DpmMultistepOptions{.order = 3,
                                                                   .eta = o.eta.value_or(1.0),
                                                                   .s_noise = o.churn.s_noise,
                                                                   .correction = DpmMultistepOptions::Correction::heun,
                                                                   .lower_order_final = false});
}

// "DPM++ 2M" -> "dpmpp2m"
std::string key_of(std::string_view name) {
  std::string key = lower_ascii(name);
  std::erase_if(key, [](char c) { return c == ' ' || c == '-' || c == '_'; });
  std::ranges::replace(key, '+', 'p');
  return key;
}

const SamplerInfo* find_by_key(std::string_view key) {
  const auto matches = [key](const std::string& name) { return key_of(name) == key; };
  for (const SamplerInfo& info : samplers()) {
    if (matches(info.name) || std::ranges::any_of(info.aliases, matches)) return &info;
  }
  return nullptr;
}

}  // namespace

const std::vector<SamplerInfo>& samplers() {
  constexpr auto compvis = Convention::compvis;
  constexpr auto diffusers = Convention::diffusers;
  constexpr auto k_diffusion = Convention::k_diffusion;
  static const std::vector<SamplerInfo> all{
      {"ddim", {"DDIMScheduler"}, "the original; eta 1 is DDPM; Song et al. 2021", compvis, "ddim", make_ddim},
      {"plms",
       {"PNDM", "PNDMScheduler"},
       "DDIM with a memory of 4 steps; Liu et al. 2022",
       compvis,
       "ddim",
       make_plain<PlmsSampler>},
      {"dpm_solver",
       {"dpm_solver++"},
       "DPM-Solver++ 2M as in the CompVis scripts; good from 15 steps; Lu et al. 2022",
       compvis,
       "time_uniform",
       make_plain<DpmMultistepSampler>},
      {"euler",
       {"k_euler", "EulerDiscreteScheduler"},
       "plain and fast; Karras et al. 2022",
       k_diffusion,
       "discrete",
       make_churned<EulerSampler>},
      {"euler_ancestral",
       {"Euler a", "k_euler_a", "k_euler_ancestral", "EulerAncestralDiscreteScheduler"},
       "fresh noise at each step: lively, does not converge",
       k_diffusion,
       "discrete",
       make_ancestral<EulerAncestralSampler>},
      {"heun",
       {"k_heun", "HeunDiscreteScheduler"},
       "Euler with a correction; two evaluations a step",
       k_diffusion,
       "discrete",
       make_churned<HeunSampler>},
      {"dpm_2",
       {"DPM2", "k_dpm_2", "KDPM2DiscreteScheduler"},
       "the midpoint method in log sigma; two evaluations a step",
       k_diffusion,
       "discrete",
       make_churned<Dpm2Sampler>},
      {"dpm_2_ancestral",
       {"DPM2 a", "k_dpm_2_a", "k_dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler"},
       "dpm_2 with fresh noise at each step",
       k_diffusion,
       "discrete",
       make_ancestral<Dpm2AncestralSampler>},
      {"lms",
       {"k_lms", "LMSDiscreteScheduler"},
       "a memory of 4 steps; smooth, weak below 20 steps",
       k_diffusion,
       "discrete",
       make_plain<LmsSampler>},
      {"dpm_fast",
       {"k_dpm_fast"},
       "DPM-Solver of order 3 with as many evaluations as steps",
       k_diffusion,
       "discrete",
       make_dpm_fast},
      {"dpm_adaptive",
       {"k_dpm_adaptive", "k_dpm_ad"},
       "chooses its own steps; the step count only paces the progress",
       k_diffusion,
       "discrete",
       make_dpm_adaptive},
      {"dpmpp_2s_ancestral",
       {"DPM++ 2S a", "k_dpmpp_2s_a", "k_dpmpp_2s_ancestral"},
       "second order with fresh noise; two evaluations a step",
       k_diffusion,
       "discrete",
       make_ancestral<Dpmpp2sAncestralSampler>},
      {"dpmpp_sde",
       {"DPM++ SDE", "k_dpmpp_sde", "DPMSolverSDEScheduler"},
       "fine detail in few steps; two evaluations a step",
       k_diffusion,
       "discrete",
       make_ancestral<DpmppSdeSampler>,
       true},
      {"dpmpp_2m",
       {"DPM++ 2M", "k_dpmpp_2m"},
       "second order for one evaluation a step; a good first choice with karras",
       k_diffusion,
       "discrete",
       make_dpmpp_2m},
      {"dpmpp_2m_sde",
       {"DPM++ 2M SDE", "k_dpmpp_2m_sde"},
       "dpmpp_2m with fresh noise",
       k_diffusion,
       "discrete",
       make_dpmpp_2m_sde,
       true},
      {"dpmpp_2m_sde_heun",
       {"DPM++ 2M SDE Heun"},
       "dpmpp_2m_sde with the other weighting of its memory",
       k_diffusion,
       "discrete",
       make_dpmpp_2m_sde_heun,
       true},
      {"dpmpp_3m_sde",
       {"DPM++ 3M SDE", "k_dpmpp_3m_sde"},
       "third order with fresh noise; wants exponential or karras",
       k_diffusion,
       "discrete",
       make_dpmpp_3m_sde,
       true},
      {"dpmpp_multistep",
       {"DPMSolverMultistep", "DPMSolverMultistepScheduler"},
       "DPM-Solver++ 2M with the levels of diffusers",
       diffusers,
       "linspace",
       make_plain<DpmMultistepSampler>},
      {"dpmpp_3m",
       {"DPM++ 3M"},
       "DPM-Solver++ of order 3 with the levels of diffusers",
       diffusers,
       "linspace",
       make_dpmpp_3m},
      {"unipc",
       {"UniPCMultistep", "UniPCMultistepScheduler", "uni_pc"},
       "predictor and corrector for one evaluation a step; good from 8 steps; Zhao et al. 2023",
       diffusers,
       "linspace",
       make_plain<UniPcSampler>},
      {"lcm",
       {"LCMScheduler"},
       "for latent consistency models and LoRAs: 2 to 8 steps; Luo et al. 2023",
       diffusers,
       "lcm",
       make_plain<LcmSampler>},
      {"tcd",
       {"TCDScheduler"},
       "for trajectory consistency LoRAs: 4 to 8 steps; Zheng et al. 2024",
       diffusers,
       "tcd",
       make_tcd},
  };
  return all;
}

SamplerChoice find_sampler(std::string_view name) {
  const std::string key = key_of(name);
  if (const SamplerInfo* info = find_by_key(key)) return {*info, find_schedule(info->schedule)};
  for (const Schedule& schedule : schedules()) {
    const std::string suffix = key_of(schedule.name);
    if (!key.ends_with(suffix)) continue;
    const std::string_view rest(key.data(), key.size() - suffix.size());
    if (const SamplerInfo* info = find_by_key(rest)) return {*info, schedule};
  }
  std::vector<std::string> names;
  for (const SamplerInfo& info : samplers()) names.push_back(info.name);
  std::vector<std::string> candidates = names;
  for (const SamplerInfo& info : samplers())
    candidates.insert(candidates.end(), info.aliases.begin(), info.aliases.end());
  if (const auto nearest = nearest_name(name, candidates)) {
    throw Error(ErrorCode::invalid_request, "unknown sampler '{}'; did you mean '{}'?", name, *nearest);
  }
  throw Error(ErrorCode::invalid_request, "unknown sampler '{}'; known are {}", name, join_shortened(names, 40));
}

}  // namespace easel
