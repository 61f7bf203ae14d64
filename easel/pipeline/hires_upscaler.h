// What enlarges the picture between the two passes of the hires fix. Private to easel/pipeline.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "easel/image/resize.h"
#include "easel/pipeline/network_upscale.h"
#include "easel/pipeline/result.h"

namespace easel {

// As the text of an image's settings names it: "Latent", "Lanczos", "Nearest", or the network's name.
std::string hires_upscaler_label(const Request& request);
// Request::hires_upscaler for such a text; nothing if it is neither a way of resizing nor a network in model_folders().
std::optional<std::string> hires_upscaler_from_label(const std::string& label);

class HiresUpscaler {
 public:
  // name: Request::hires_upscaler. files: networks beside those of model_folders(). Throws Error not_found, and
  // bad_checkpoint for a file that is no ESRGAN network.
  HiresUpscaler(const std::string& name, std::span<const std::filesystem::path> files);

  // Otherwise the latent itself is resized.
  bool enlarges_images() const { return network_ || filter_; }

  // What it takes at the least, beside the model, to make `size` of an image of `small`.
  uint64_t least_bytes(Size small, Size size, const PlanTarget& target) const;

  // A network is applied until the image is large enough, as AUTOMATIC1111 does; Lanczos brings it to `size`.
  // memory: beside the model's, raised to least_bytes(). callbacks: told of tiles; may cancel.
  Image operator()(const Image& small, Size size, UpscaleMemory memory, const Callbacks& callbacks);

 private:
  Size made_of(Size small, Size size) const;  // by the network

  std::optional<ResizeFilter> filter_;
  std::optional<NetworkFile> network_;
};

}  // namespace easel
