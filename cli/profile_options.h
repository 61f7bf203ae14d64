// Where the time went: --profile and --profile-trace.
#pragma once

#include <optional>
#include <string>

#include "easel/pipeline/profile_report.h"

namespace CLI {
class App;
}

namespace easel::cli {

struct ProfileArgs {
  bool table = false;
  std::optional<std::string> trace = {};

  bool wanted() const { return table || trace; }
};

void add_profile_options(CLI::App& command, ProfileArgs& args);
// Throws Error if that cannot work, before any work is done. quiet: nothing else may be said.
void check_profile(const ProfileArgs& args, bool quiet);
// Writes the trace's file, if one is asked for.
void save_trace(const ProfileArgs& args, const ProfileReport& report);

}  // namespace easel::cli
