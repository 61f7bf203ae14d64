// An option whose value is one of a few names.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "easel/pipeline/request_names.h"

namespace CLI {
class App;
}

namespace easel::cli {

// The help lists `names` after `description`.
void add_named_option(CLI::App& command, const std::string& option, const std::vector<std::string>& names,
                      const std::function<void(const std::string&)>& set, const std::string& description,
                      const std::string& group);

template <typename Choice>
void add_choice_option(CLI::App& command, const std::string& option, std::optional<Choice>& value,
                       const std::string& description, const std::string& group) {
  std::vector<std::string> names;
  for (const auto& [choice, name] : ChoiceNames<Choice>::names) names.emplace_back(name);
  const auto set = [&value](const std::string& text) { value = parse_choice<Choice>(text); };
  add_named_option(command, option, names, set, description, group);
}

}  // namespace easel::cli
