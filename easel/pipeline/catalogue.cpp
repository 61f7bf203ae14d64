#include "easel/pipeline/catalogue.h"

#include "easel/pipeline/adapter_info.h"
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

CheckpointSummary inspect_file(const std::filesystem::path& file) {
  const auto checkpoint = Checkpoint::open(file);
  CheckpointSummary summary = inspect(*checkpoint);
  if (const auto adapter = describe_adapter(*checkpoint)) {
    summary.adapter = std::string(name_of(adapter->kind));
    summary.family_text = adapter->text;
  }
  return summary;
}

}  // namespace easel
