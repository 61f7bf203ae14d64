// What is said at the end of a job.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "easel/pipeline/pipeline.h"

namespace easel::cli {

struct SavedFiles {
  std::vector<std::filesystem::path> images = {};  // of the result's images, in order; empty with --skip_save
  std::vector<std::filesystem::path> intermediates = {};
  std::optional<std::filesystem::path> grid = {};
  std::optional<std::filesystem::path> plot = {};
};

// Each stage's name and time in JSON summaries, and the total.
std::vector<std::pair<std::string, double>> stage_seconds(const StageTimes& times, Seconds total);

// A line for people.
std::string summary_text(const Result& result, Seconds total);
// For programs: --json.
std::string summary_json(const Result& result, const ModelDescription& model, const SavedFiles& files, Seconds total,
                         const std::optional<ProfileReport>& profile);

}  // namespace easel::cli
