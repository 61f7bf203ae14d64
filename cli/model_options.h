// The options that say which model runs, and on what.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/profile_options.h"
#include "easel/pipeline/pipeline.h"

namespace CLI {
class App;
}

namespace easel::cli {

struct ModelArgs {
  std::optional<std::string> checkpoint = {};
  std::optional<std::string> config = {};
  std::optional<std::string> vae = {};
  std::optional<std::string> preview_vae = {};
  std::optional<std::string> prediction = {};
  std::string device = default_device();
  int threads = 0;
  std::string memory_limit = {};
  bool low_memory = false;
  std::string precision = {};
  std::vector<AdapterFile> adapters = {};             // given by their path
  std::vector<std::filesystem::path> upscalers = {};  // likewise, for the hires fix
  ProfileArgs profile = {};
};

void add_model_options(CLI::App& command, ModelArgs& args);
// Parts of it, for commands that do not draw.
void add_checkpoint_option(CLI::App& command, ModelArgs& args);
void add_preview_option(CLI::App& command, ModelArgs& args);
void add_machine_options(CLI::App& command, ModelArgs& args);  // device, threads, memory
// Throws Error invalid_request or not_found.
PipelineOptions pipeline_options(const ModelArgs& args);
// What a person should know about these options; empty if nothing.
std::string precision_note(const ModelArgs& args);

// "6GB", "500 MB", "4G", "1000000": powers of 1000, or of 1024 for KiB, MiB and GiB. Throws Error invalid_request.
uint64_t parse_bytes(const std::string& text);

}  // namespace easel::cli
