// An option whose value is one of a few names.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "easel/pipeline/request_names.h"

namespace easel::cli {

// The help lists the names after `description`.
template <typename Choice>
void add_choice_option(CLI::App& command, const std::string& name, std::optional<Choice>& value,
                       const std::string& description, const std::string& group) {
  std::vector<std::string> names;
  for (const auto& [choice, choice_name] : ChoiceNames<Choice>::names) names.emplace_back(choice_name);
  command
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { value = parse_choice<Choice>(text); },
          fmt::format("{}: {}", description, fmt::join(names, ", ")))
      ->type_name("NAME")
      ->group(group);
}

}  // namespace easel::cli
