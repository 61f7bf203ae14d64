#include "server/a1111/sampler_names.h"

#include <algorithm>
#include <array>

#include "easel/base/text.h"
#include "easel/pipeline/catalogue.h"
#include "server/errors.h"

namespace easel::server {
namespace {

constexpr std::array kSamplers = {
    A1111Sampler{"DPM++ 2M", "k_dpmpp_2m", "karras"},
    A1111Sampler{"DPM++ SDE", "k_dpmpp_sde", "karras"},
    A1111Sampler{"DPM++ 2M SDE", "k_dpmpp_2m_sde", "exponential"},
    A1111Sampler{"DPM++ 2M SDE Heun", "k_dpmpp_2m_sde_heun", "exponential"},
    A1111Sampler{"DPM++ 2S a", "k_dpmpp_2s_a", "karras"},
    A1111Sampler{"DPM++ 3M SDE", "k_dpmpp_3m_sde", "exponential"},
    A1111Sampler{"Euler a", "k_euler_a", ""},
    A1111Sampler{"Euler", "k_euler", ""},
    A1111Sampler{"LMS", "k_lms", ""},
    A1111Sampler{"Heun", "k_heun", ""},
    A1111Sampler{"DPM2", "k_dpm_2", "karras"},
    A1111Sampler{"DPM2 a", "k_dpm_2_a", "karras"},
    A1111Sampler{"DPM fast", "k_dpm_fast", ""},
    A1111Sampler{"DPM adaptive", "k_dpm_ad", ""},
    A1111Sampler{"DDIM", "ddim", ""},
    A1111Sampler{"PLMS", "plms", ""},
    A1111Sampler{"UniPC", "unipc", ""},
    A1111Sampler{"LCM", "k_lcm", ""},
};

constexpr std::array kSchedulers = {
    A1111Scheduler{"automatic", "Automatic", ""},
    A1111Scheduler{"uniform", "Uniform", "discrete"},
    A1111Scheduler{"karras", "Karras", "karras"},
    A1111Scheduler{"exponential", "Exponential", "exponential"},
    A1111Scheduler{"polyexponential", "Polyexponential", "polyexponential"},
    A1111Scheduler{"sgm_uniform", "SGM Uniform", "sgm_uniform"},
    A1111Scheduler{"kl_optimal", "KL Optimal", "kl_optimal"},
    A1111Scheduler{"align_your_steps", "Align Your Steps", "align_your_steps"},
    A1111Scheduler{"simple", "Simple", "simple"},
    A1111Scheduler{"normal", "Normal", "discrete"},
    A1111Scheduler{"ddim", "DDIM", "ddim_uniform"},
    A1111Scheduler{"beta", "Beta", "beta"},
};

const A1111Sampler* find_sampler_label(const std::string& name) {
  const std::string wanted = lower_ascii(name);
  for (const A1111Sampler& sampler : kSamplers) {
    if (lower_ascii(std::string(sampler.label)) == wanted || sampler.alias == wanted) return &sampler;
  }
  return nullptr;
}

std::optional<std::string> schedule_of(const std::string& scheduler) {
  const std::string wanted = lower_ascii(scheduler);
  for (const A1111Scheduler& known : kSchedulers) {
    if (known.name != wanted && lower_ascii(std::string(known.label)) != wanted) continue;
    return known.schedule.empty() ? std::nullopt : std::optional<std::string>(known.schedule);
  }
  return scheduler;  // a name of ours
}

// "DPM++ 2M" -> "dpmpp2m", as names are compared elsewhere.
std::string key_of(std::string_view name) {
  std::string key = lower_ascii(std::string(name));
  std::erase_if(key, [](char c) { return c == ' ' || c == '-' || c == '_'; });
  std::replace(key.begin(), key.end(), '+', 'p');
  return key;
}

void check_field(const char* field, const Request& request) {
  try {
    check(request);
  } catch (const Error& error) {
    throw FieldError(field, "value_error", error.what());
  }
}

}  // namespace

std::span<const A1111Sampler> a1111_samplers() { return kSamplers; }
std::span<const A1111Scheduler> a1111_schedulers() { return kSchedulers; }

void choose_sampler(const std::optional<std::string>& sampler, const std::optional<std::string>& scheduler,
                    Request& request) {
  if (sampler && !sampler->empty()) {
    const A1111Sampler* known = find_sampler_label(*sampler);
    request.sampler = known == nullptr ? *sampler : std::string(known->label);
    if (known != nullptr && !known->automatic.empty()) request.schedule = known->automatic;
    check_field("sampler_name", request);
  }
  if (!scheduler || scheduler->empty()) return;
  const auto schedule = schedule_of(*scheduler);
  if (schedule) request.schedule = schedule;
  check_field("scheduler", request);
}

std::string a1111_sampler_label(const std::string& sampler) {
  for (const Choice& choice : list_samplers()) {
    if (choice.name != sampler) continue;
    for (const A1111Sampler& known : kSamplers) {
      const auto is_it = [&](const std::string& name) { return key_of(name) == key_of(known.label); };
      if (is_it(choice.name) || std::any_of(choice.aliases.begin(), choice.aliases.end(), is_it)) {
        return std::string(known.label);
      }
    }
  }
  return sampler;
}

}  // namespace easel::server
