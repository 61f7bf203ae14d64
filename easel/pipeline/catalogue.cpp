#include "easel/pipeline/catalogue.h"

#include "easel/sampling/registry.h"

namespace easel {

std::vector<Choice> list_samplers() {
  std::vector<Choice> out;
  for (const SamplerInfo& info : samplers()) out.push_back({info.name, info.aliases, info.description});
  return out;
}

std::vector<Choice> list_schedules() {
  std::vector<Choice> out;
  for (const Schedule& schedule : schedules()) out.push_back({schedule.name, schedule.aliases, schedule.description});
  return out;
}

CheckpointSummary inspect_file(const std::filesystem::path& file) { return inspect(*Checkpoint::open(file)); }

}  // namespace easel
