// DepthEstimator: tells of a picture how near each pixel is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "easel/backend/device_list.h"
#include "easel/base/cancel.h"
#include "easel/image/grey16.h"
#include "easel/image/image.h"
#include "easel/pipeline/result.h"

namespace easel {

struct DepthOptions {
  std::filesystem::path checkpoint;       // SD 2 depth, or a file of its depth network alone
  std::string device = default_device();  // as PipelineOptions::device
  int threads = 0;                        // 0: all processors
  uint64_t memory_limit_bytes = std::numeric_limits<uint64_t>::max();
  bool low_memory = false;  // as PipelineOptions::low_memory
};

// Depth is relative: 1 / distance up to an unknown factor and offset.
struct DepthEstimate {
  Grey16 map;         // of the picture's size: 0 the farthest, 65535 the nearest pixel; all 0 if all are equally near
  float farthest;     // relative inverse depth that 0 stands for
  float nearest;      // ... and 65535
  Size network_size;  // at which the network saw the picture
  Seconds time;
  uint64_t planned_bytes;  // of the process at its peak
  uint64_t peak_tensor_bytes;
};

class DepthEstimator {
 public:
  // Reads the checkpoint's structure. Throws Error if the file is missing, wrong or without depth network.
  explicit DepthEstimator(const DepthOptions& options);
  ~DepthEstimator();

  // Throws Error: out_of_memory before anything is computed, bad_checkpoint (numbers that are not finite), cancelled.
  DepthEstimate estimate(const Image& image, const CancelToken& cancel = {});

  const std::string& file() const;  // the checkpoint

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// As find_model(); without a name the first checkpoint in model_folders() that holds a depth network. Throws Error
// not_found that says how to get one.
std::filesystem::path find_depth_model(const std::optional<std::filesystem::path>& name);

}  // namespace easel
