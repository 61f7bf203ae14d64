#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_status.h"
#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/pipeline/pipeline.h"

namespace easel::cli {
namespace {

int fail(int status, const std::string& message) {
  fmt::print(stderr, "easel: {}\n", message);
  return status;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> commands_with(const CLI::App& app, const std::string& option) {
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const std::vector<std::string> names = option_names(*command);
    if (std::find(names.begin(), names.end(), option) != names.end()) commands.push_back(command->get_name());
  }
  return commands;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  const auto nearest = nearest_name(name, known);
  return nearest ? fmt::format("; did you mean '{}'?", *nearest) : "";
}

// What is wrong with a word that is neither an option nor an argument of the chosen command.
std::string explain_unknown(const CLI::App& app, const std::vector<std::string>& words) {
  const auto is_option = [](const std::string& word) { return word.starts_with("-"); };
  const auto option = std::find_if(words.begin(), words.end(), is_option);
  const std::string& word = option == words.end() ? words.front() : *option;
  const std::string name = word.substr(0, word.find('='));
  const auto chosen = app.get_subcommands();
  const std::vector<std::string> others = commands_with(app, name);
  const std::string hint = others.empty() ? suggestion(name, option_names(chosen.empty() ? app : *chosen.front()))
                                          : fmt::format("; it belongs to {}", fmt::join(others, ", "));
  return fmt::format("unknown {} '{}'{}", is_option(word) ? "option" : "argument", word, hint);
}

int explain(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);  // --help, --version
  const auto chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "easel" : "easel " + chosen.front()->get_name();
  // The value of an unknown option may have been taken for the prompt: the unknown word is the cause, not the error.
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  const std::string message = unknown.empty() ? error.what() : explain_unknown(app, unknown);
  return fail(kUsageStatus, fmt::format("{}\nSee '{} --help'.", message, command));
}

// EASEL_LOG: from which level on messages are shown.
void choose_log_level() {
  const char* const name = std::getenv("EASEL_LOG");
  if (name == nullptr || *name == '\0') return;
  const std::optional<log::Level> level = log::level_named(name);
  if (!level) {
    throw Error(ErrorCode::invalid_request,
                "the environment variable EASEL_LOG is '{}', expected debug, info, warn, error or off", name);
  }
  log::set_level(*level);
}

int run(int argc, const char* const* argv) {
  choose_log_level();
  CLI::App app("Create images on your own PC from text.", "easel");
  app.set_version_flag("--version", program_version());
  app.require_subcommand(1);
  add_txt2img_command(app);
  add_img2img_command(app);
  add_inpaint_command(app);
  add_depth2img_command(app);
  add_depth_command(app);
  add_upscale_command(app);
  add_convert_command(app);
  add_info_command(app);
  add_models_command(app);
  add_samplers_command(app);
  add_devices_command(app);
  add_watermark_command(app);
  add_serve_command(app);
  app.footer("'easel COMMAND --help' tells the options of a command.");

  if (argc < 2) {
    fmt::print(stderr, "{}", app.help());
    return kUsageStatus;
  }
  const std::string command = argv[1];
  const std::vector<std::string> known = command_names(app);
  if (!command.starts_with("-") && std::find(known.begin(), known.end(), command) == known.end()) {
    return fail(kUsageStatus,
                fmt::format("unknown command '{}'{}\nSee 'easel --help'.", command, suggestion(command, known)));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
  }
  return 0;
}

}  // namespace
}  // namespace easel::cli

int main(int argc, char** argv) {
  using easel::cli::fail;
  easel::limit_spinning(argv);
  try {
    return easel::cli::run(argc, argv);
  } catch (const easel::Error& error) {
    return fail(easel::cli::exit_status(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return fail(easel::cli::exit_status(easel::ErrorCode::out_of_memory),
                "out of memory; try a smaller size or batch, or --low-memory");
  } catch (const std::exception& error) {
    return fail(easel::cli::kInternalStatus, fmt::format("internal error: {}", error.what()));
  }
}
