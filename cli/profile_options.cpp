#include "cli/profile_options.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "easel/base/error.h"
#include "easel/base/file.h"

namespace easel::cli {

void add_profile_options(CLI::App& command, ProfileArgs& args) {
  const std::string group = "Machine";
  command.add_flag("--profile", args.table, "Tell where the time went, by kinds of operation")->group(group);
  command
      .add_option("--profile-trace", args.trace, "File for the time of every operation: JSON for Chrome's tracing page")
      ->type_name("FILE")
      ->group(group);
}

void check_profile(const ProfileArgs& args, bool quiet) {
  if (args.table && quiet) {
    throw Error(ErrorCode::invalid_request,
                "--quiet and --profile contradict each other; --profile-trace FILE goes with --quiet");
  }
  if (!args.trace) return;
  const std::filesystem::path file = *args.trace;
  if (std::filesystem::is_directory(file)) {
    throw Error(ErrorCode::invalid_request, "{} is a directory; --profile-trace takes a file name such as trace.json",
                file.string());
  }
  require_writable_directory(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."));
}

void save_trace(const ProfileArgs& args, const ProfileReport& report) {
  if (args.trace) write_file_whole(*args.trace, report.trace);
}

}  // namespace easel::cli
