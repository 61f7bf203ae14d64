// Runs a job and saves its images: what all commands that make images share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/model_options.h"
#include "easel/pipeline/settings.h"

namespace CLI {
class App;
}

namespace easel::cli {

struct OutputArgs {
  std::optional<std::string> file = {};
  std::optional<std::string> folder = {};
  std::vector<std::string> plot = {};  // axes; none: no plot
  std::optional<int64_t> save_every = {};
  bool skip_grid = false;
  bool skip_save = false;
  std::optional<int64_t> grid_columns = {};
  bool quiet = false;
  bool json = false;
};

void add_output_options(CLI::App& command, OutputArgs& args);

// command: "txt2img", which names the folder too. like: the settings that the request was taken from, if any.
void run_generate(const std::string& command, const Request& request, const ModelArgs& model, const OutputArgs& output,
                  const std::optional<ImageSettings>& like = {});

}  // namespace easel::cli
