// Upscaler: makes images larger.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/result.h"
#include "easel/pipeline/upscale_request.h"

namespace easel {

struct UpscaleResult {
  Image image = {};
  std::string parameters = {};  // the settings as text, for the file (infotext.h)
  bool watermarked = false;
  UpscaleRequest request = {};  // with nothing left open, without its image
  int64_t tiles = 1;
  std::vector<std::string> warnings = {};
  StageTimes times = {};       // a network's time counts as decoding
  uint64_t planned_bytes = 0;  // of the process at its peak; 0 with Lanczos, which plans nothing
  uint64_t peak_tensor_bytes = 0;
};

struct UpscalerDescription {
  UpscalerKind kind;
  std::string name;   // of the model, or "Lanczos"
  std::string file;   // empty with Lanczos
  int64_t scale = 1;  // what the network makes of a pixel's side; 1 with Lanczos, which makes any
};

class Upscaler {
 public:
  Upscaler();  // Lanczos, as Pillow resizes
  // options.checkpoint: an x4 upscaler checkpoint, or an ESRGAN network (.pth or .safetensors). Throws Error if it is
  // neither, or options do not go with it.
  explicit Upscaler(const PipelineOptions& options);
  Upscaler(Upscaler&&) noexcept;
  ~Upscaler();

  // Images too large for the memory are worked on in overlapping tiles; callbacks.on_image is not called. Throws Error:
  // invalid_request, out_of_memory (known before the work begins), bad_checkpoint (numbers that are not finite),
  // cancelled. One request at a time.
  UpscaleResult upscale(const UpscaleRequest& request, const Callbacks& callbacks = {});

  UpscalerDescription description() const;
  // As Pipeline::profile().
  ProfileReport profile() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace easel
