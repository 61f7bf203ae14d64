#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "easel/base/error.h"
#include "easel/pipeline/catalogue.h"

namespace easel::cli {
namespace {

nlohmann::ordered_json to_json(const std::vector<Choice>& choices) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Choice& choice : choices) {
    json.push_back({{"name", choice.name}, {"aliases", choice.aliases}, {"description", choice.description}});
  }
  return json;
}

void print(const char* title, const std::vector<Choice>& choices) {
  fmt::print("{}\n", title);
  for (const Choice& choice : choices) {
    fmt::print("  {:<20}  {}\n", choice.name, choice.description);
    if (!choice.aliases.empty()) fmt::print("  {:<20}  also {}\n", "", fmt::join(choice.aliases, ", "));
  }
}

void run(bool json) {
  if (json) {
    const nlohmann::ordered_json all = {{"samplers", to_json(list_samplers())},
                                        {"schedules", to_json(list_schedules())}};
    fmt::print("{}\n", all.dump(2));
    return;
  }
  print("Samplers (--sampler):", list_samplers());
  print("Schedules (--schedule):", list_schedules());
}

}  // namespace

void add_samplers_command(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("samplers", "List samplers and schedules");
  command->add_flag("--json", *json, "Print as JSON");
  command->callback([json] { run(*json); });
}

}  // namespace easel::cli
