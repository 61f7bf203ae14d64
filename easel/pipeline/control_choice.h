// A ControlNet that steers a job, as a Request names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "easel/image/image.h"

namespace easel {

// What is made of the picture before the network sees it.
enum class ControlPreprocessor {
  none,   // it is a map already: edges, depth, a scribble, a pose
  canny,  // its edges
  depth,  // how near things are, by the depth network of an SD 2 depth checkpoint
};

struct ControlChoice {
  std::string model;                // name of a file in a folder for ControlNets, without its ending
  std::optional<Image> image = {};  // of any size; nothing: the initial image
  ControlPreprocessor preprocessor = ControlPreprocessor::none;
  std::optional<int64_t> canny_low = {};  // thresholds of the edges
  std::optional<int64_t> canny_high = {};
  double weight = 1.0;
  double start = 0.0;  // from this share of the steps on
  double end = 1.0;    // up to this one
};

inline constexpr size_t kMaxControls = 8;
inline constexpr double kMaxControlWeight = 10.0;

struct Request;

// Throws Error invalid_request that names the value.
void check_controls(const Request& request);

// "Module: canny, Model: edges, Weight: 1, ..." for the file of an image, as AUTOMATIC1111's extension writes it.
std::string describe(const ControlChoice& choice);

}  // namespace easel
