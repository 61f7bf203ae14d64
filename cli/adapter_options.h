// The options that name LoRAs and ControlNets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/model_options.h"
#include "easel/pipeline/request.h"

namespace CLI {
class App;
}

namespace easel::cli {

struct AdapterArgs {
  std::vector<std::string> loras = {};
  std::vector<std::string> controls = {};
  std::optional<int64_t> canny_low = {};
  std::optional<int64_t> canny_high = {};
};

void add_adapter_options(CLI::App& command, AdapterArgs& args);

// Puts them into the request; files that are named by their path go to the model's options. Throws Error
// invalid_request or not_found.
void read_adapters(const AdapterArgs& args, Request& request, ModelArgs& model);
// The network that a hires upscaler names by its path.
void read_hires_upscaler(Request& request, ModelArgs& model);

}  // namespace easel::cli
