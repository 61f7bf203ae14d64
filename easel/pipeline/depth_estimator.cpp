#include "easel/pipeline/depth_estimator.h"

#include <algorithm>

#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/depth/depth_map.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/depth.h"
#include "easel/pipeline/timed.h"

namespace easel {
namespace {

constexpr uint64_t kProgramBytes = 60'000'000;  // measured: the program and its libraries

DepthNetwork read_network(const std::shared_ptr<const Checkpoint>& checkpoint, bool low_memory) {
  const Weights weights(checkpoint, low_memory ? Residency::streamed : Residency::packed);
  DepthNetwork network(depth_weights(weights, *checkpoint));
  weights.require_complete();
  return network;
}

void require_memory(const DepthConfig& config, Size image, uint64_t available_bytes) {
  const uint64_t needed = kProgramBytes + depth_estimation_bytes(config, image);
  if (needed <= available_bytes) return;
  throw Error(ErrorCode::out_of_memory,
              "the depth of a picture of {}x{} pixels needs about {} of memory, but {} can be had; take a smaller "
              "or less oblong picture, or close other programs",
              image.width_px, image.height_px, format_bytes(needed), format_bytes(available_bytes));
}

// A file in the models folder that cannot be read is no answer here; who names it is told why.
bool is_depth_model(const std::filesystem::path& file) {
  try {
    return has_depth_network(*Checkpoint::open(file));
  } catch (const Error& reason) {
    log::debug("{}", reason.what());
    return false;
  }
}

}  // namespace

struct DepthEstimator::State {
  explicit State(const DepthOptions& options)
      : device(open_device(
            {.name = options.device, .threads = options.threads, .memory_limit_bytes = options.memory_limit_bytes})),
        checkpoint(Checkpoint::open(options.checkpoint)),
        network(read_network(checkpoint, options.low_memory)),
        memory_limit_bytes(options.memory_limit_bytes) {}

  std::shared_ptr<const Device> device;  // outlives all tensors below
  std::shared_ptr<const Checkpoint> checkpoint;
  DepthNetwork network;
  uint64_t memory_limit_bytes;
};

DepthEstimator::DepthEstimator(const DepthOptions& options) : state_(std::make_unique<State>(options)) {}

DepthEstimator::~DepthEstimator() = default;

const std::string& DepthEstimator::file() const { return state_->checkpoint->file(); }

DepthEstimate DepthEstimator::estimate(const Image& image, const CancelToken& cancel) {
  const Device& device = *state_->device;
  const uint64_t ours = device.allocator().bytes_in_use();  // weights that are packed already
  require_memory(state_->network.config(), image.size(),
                 std::min(memory_info().available_bytes + ours, state_->memory_limit_bytes));
  DepthEstimate estimate{};
  const auto stop_if_cancelled = [&](std::string_view, const Tensor&) {
    if (cancel.cancelled()) throw Error(ErrorCode::cancelled, "the job was cancelled");
  };
  {
    const Timed timed(estimate.time);
    const Tensor depth = estimate_depth(state_->network, image, device, stop_if_cancelled);
    const Tensor fitted = ops::resize(depth, image.height_px(), image.width_px(),
                                      {.interpolation = Interpolation::bicubic});  // [1, height_px, width_px, 1]
    const std::vector<float> values = fitted.values();
    const auto [farthest, nearest] = std::minmax_element(values.begin(), values.end());
    estimate.map = grey16_from(fitted);
    estimate.farthest = *farthest;
    estimate.nearest = *nearest;
    estimate.network_size = {.width_px = depth.dim(2), .height_px = depth.dim(1)};
  }
  estimate.peak_tensor_bytes = device.allocator().peak_bytes();
  return estimate;
}

std::filesystem::path find_depth_model(const std::optional<std::filesystem::path>& name) {
  if (name) return find_model(name);
  for (const ModelFile& model : list_models()) {
    if (!model.is_starter && is_depth_model(model.path)) return model.path;
  }
  std::vector<std::string> folders;
  for (const std::filesystem::path& folder : model_folders()) folders.push_back(folder.string());
  throw Error(
      ErrorCode::not_found,
      "there is no model with a depth network; give an SD 2 depth checkpoint (512-depth-ema) with --ckpt FILE, or "
      "put one into {}",
      join_shortened(folders, folders.size()));
}

}  // namespace easel
