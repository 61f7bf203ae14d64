// The options that say what is drawn, in the original scripts' spelling and a modern one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "easel/pipeline/settings.h"

namespace CLI {
class App;
}

namespace easel::cli {

struct RequestArgs {
  Request request = {};
  std::optional<ImageSettings> like = {};  // what `request` was taken from
  std::optional<std::string> prompt = {};
  std::optional<std::string> from_file = {};
  std::optional<int64_t> repeat = {};
  std::optional<int64_t> seed = {};  // -1: random
  std::optional<std::string> sampler = {};
  std::optional<std::string> schedule = {};
  std::optional<double> eta = {};
  std::string batch_noise = "per-image";
  bool plms = false;
  bool dpm_solver = false;
  bool no_watermark = false;
  int64_t latent_channels = 4;
  int64_t downsampling = 8;
};

void add_request_options(CLI::App& command, RequestArgs& args);
void add_hires_options(CLI::App& command, RequestArgs& args);
// Throws Error invalid_request for options that contradict each other, not_found or io_failure for --from-file.
Request make_request(const RequestArgs& args);

}  // namespace easel::cli
