// What a job gives back, and what it tells while it runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "easel/base/cancel.h"
#include "easel/base/skip.h"
#include "easel/image/image.h"
#include "easel/pipeline/request.h"

namespace easel {

struct GeneratedImage {
  Image image;
  uint64_t seed;
  std::string prompt;
  std::string parameters;  // the settings as text, for the file (infotext.h)
  bool watermarked;
};

// What the network takes the image to be before the last step.
struct IntermediateImage {
  GeneratedImage estimate;
  size_t index;  // of the finished image among those of the job
  int64_t step;  // finished steps
};

using Seconds = std::chrono::duration<double>;

struct StageTimes {
  Seconds open{};  // checkpoint, once for a pipeline
  Seconds text{};
  Seconds encoding{};  // of the initial image
  Seconds sampling{};
  Seconds decoding{};         // with watermark
  int64_t network_steps = 0;  // steps of all batches
};

struct Result {
  std::vector<GeneratedImage> images = {};
  Request request = {};  // with nothing left open
  std::vector<std::string> warnings = {};
  StageTimes times = {};
  uint64_t planned_bytes = 0;  // of memory in all, known before the work
  uint64_t peak_tensor_bytes = 0;
};

enum class Stage { text, encoding, sampling, decoding, upscaling };
std::string_view name_of(Stage stage);

struct JobProgress {
  Stage stage;
  int64_t step = 0;  // finished; of sampling: steps, of decoding: images or tiles, of upscaling: tiles
  int64_t steps = 0;
  int64_t batch = 0;  // 0-based
  int64_t batches = 1;
  int64_t tile = 0;  // finished, of this step of an upscaler
  int64_t tiles = 1;
};

struct Callbacks {
  std::function<void(const JobProgress&)> on_progress = {};  // when a stage begins, after each step and tile
  std::function<void(const GeneratedImage&)> on_image = {};  // as soon as it is finished
  std::function<void(const IntermediateImage&)> on_intermediate =
      {};                                                   // each `intermediate_every` steps, for each image
  int64_t intermediate_every = 1;                           // below the number of steps of the first pass
  std::function<void(const std::string&)> on_warning = {};  // as soon as it is known
  // After each step: what the batch's first image looks like so far, by a tiny VAE if there is one, else a pixel for
  // each latent position. Not where memory is so short that the decoder does not fit beside the network.
  std::function<void(const Image&)> on_preview = {};
  std::function<bool()> wants_preview = {};  // asked before each of them, for they take time; missing: all are wanted
  CancelToken cancel = {};                   // looked at many times in a step
  SkipToken skip = {};  // likewise, while a batch is sampled: its images are left out, with a warning

  bool is_preview_due() const { return on_preview && (!wants_preview || wants_preview()); }
};

}  // namespace easel
