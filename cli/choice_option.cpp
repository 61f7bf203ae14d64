#include "cli/choice_option.h"

#include <CLI/CLI.hpp>

namespace easel::cli {

void add_named_option(CLI::App& command, const std::string& option, const std::vector<std::string>& names,
                      const std::function<void(const std::string&)>& set, const std::string& description,
                      const std::string& group) {
  command.add_option_function<std::string>(option, set, fmt::format("{}: {}", description, fmt::join(names, ", ")))
      ->type_name("NAME")
      ->group(group);
}

}  // namespace easel::cli
