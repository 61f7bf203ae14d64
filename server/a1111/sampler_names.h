// A1111's names of samplers and schedulers, and what they are here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/pipeline/request.h"

namespace easel::server {

struct A1111Sampler {
  std::string_view label;
  std::string_view alias;
  std::string_view automatic;  // the schedule of "Automatic"; empty: the sampler's own
};
std::span<const A1111Sampler> a1111_samplers();

struct A1111Scheduler {
  std::string_view name;
  std::string_view label;
  std::string_view schedule;  // empty: automatic
};
std::span<const A1111Scheduler> a1111_schedulers();

// Sets sampler and schedule of `request`. Names of /api/v1 and older ones such as "DPM++ 2M Karras" are understood too.
// Throws FieldError.
void choose_sampler(const std::optional<std::string>& sampler, const std::optional<std::string>& scheduler,
                    Request& request);

// How A1111 calls the sampler with this name of /api/v1; the name itself if it has none.
std::string a1111_sampler_label(const std::string& sampler);

}  // namespace easel::server
