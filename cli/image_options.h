// The options that say which images a command starts from, and how.
#pragma once

#include <optional>
#include <string>

#include "easel/pipeline/request.h"

namespace CLI {
class App;
}

namespace easel::cli {

struct ImageArgs {
  std::optional<std::string> init_image = {};
  std::optional<std::string> mask = {};
  std::optional<std::string> depth_map = {};
};

// --init-img, --strength and what belongs to them
void add_init_image_options(CLI::App& command, ImageArgs& args, Request& request);
// --mask, margins and what belongs to them
void add_mask_options(CLI::App& command, ImageArgs& args, Request& request);
// --depth-map
void add_depth_options(CLI::App& command, ImageArgs& args);

// Puts the images that `args` names into the request. An initial image for inpainting without a mask is masked where it
// is transparent. Throws Error not_found, io_failure or bad_image.
void read_images(const ImageArgs& args, Request& request);

}  // namespace easel::cli
