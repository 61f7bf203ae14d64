// What there is to choose from, and what a checkpoint holds, for programs to show.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "easel/checkpoint/convert.h"  // convert_checkpoint()
#include "easel/checkpoint/inspect.h"

namespace easel {

struct Choice {
  std::string name;
  std::vector<std::string> aliases;
  std::string description;
};
std::vector<Choice> list_samplers();
bool takes_eta(const std::string& sampler);  // whether it adds fresh noise
std::vector<Choice> list_schedules();

// Throws Error not_found, io_failure or bad_checkpoint.
CheckpointSummary inspect_file(const std::filesystem::path& file);

}  // namespace easel
