#include "easel/pipeline/depth_estimator.h"

#include <algorithm>

#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/text.h"
#include "easel/depth/depth_map.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/depth.h"
#include "easel/pipeline/memory.h"
#include "easel/pipeline/timed.h"

namespace easel {
namespace {

DepthNetwork read_network(const std::shared_ptr<const Checkpoint>& checkpoint, Residency residency) {
  const Weights weights(checkpoint, residency);
  DepthNetwork network(depth_weights(weights, *checkpoint));
  weights.require_complete();
  return network;
}

// Measured at full size, beside what the trial counts: standardised weights, which are lists, and what the heap keeps
// of them.
constexpr uint64_t kListsBytes = 16'000'000;

// What estimate() does with a picture of this size.
void try_estimate(const DepthNetwork& network, Size image, const PlanningDevice& plan) {
  const int64_t pixels = image.width_px * image.height_px;
  const auto read = [&] {
    const OtherMemory list(plan, static_cast<uint64_t>(pixels * Image::kChannels) * sizeof(float));
    return depth_input(Tensor::empty(*plan.device, {1, image.height_px, image.width_px, Image::kChannels}));
  };
  const Tensor fitted =
      ops::resize(network(read()), image.height_px, image.width_px, {.interpolation = Interpolation::bicubic});
  const OtherMemory lists(plan, 2 * static_cast<uint64_t>(pixels) * sizeof(float));
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
  explicit State(const DepthOptions& given)
      : options(given),
        device(open_device(
            {.name = given.device, .threads = given.threads, .memory_limit_bytes = given.memory_limit_bytes})),
        checkpoint(Checkpoint::open(given.checkpoint)),
        network(read_network(checkpoint, residency)) {}

  // Plans the memory, and keeps to the plan from now on.
  MemoryPlan plan_for(Size image);

  DepthOptions options;
  std::shared_ptr<const Device> device;  // outlives all tensors below
  std::shared_ptr<const Checkpoint> checkpoint;
  Residency residency = Residency::packed;
  DepthNetwork network;
};

MemoryPlan DepthEstimator::State::plan_for(Size image) {
  const auto pixels = static_cast<uint64_t>(image.width_px * image.height_px);
  const NetworkTrial trial(
      PlanTarget(*device, options.threads),
      {.subject = fmt::format("the depth of a picture of {}x{} pixels", image.width_px, image.height_px),
       .cure = "a smaller or less oblong picture",
       .weight_bytes = depth_weight_bytes(*checkpoint),
       .lasting_bytes = kListsBytes + pixels * (Image::kChannels + sizeof(uint16_t)),
       .run = [&](Residency stays, const PlanningDevice& plan) {
         try_estimate(read_network(checkpoint, stays), image, plan);
       }});
  const MemoryPlan plan = plan_memory(trial, memory_allowance(options.memory_limit_bytes, options.low_memory, *device));
  log::debug("memory: needs {}; {}", format_bytes(plan.needed_bytes), describe(plan));
  if (const Residency wanted = plan.modes.residency.of(""); wanted != residency) {
    residency = wanted;
    network = read_network(checkpoint, wanted);
  }
  device->allocator().set_budget(plan.budget_of(MemoryStage::network));
  return plan;
}

DepthEstimator::DepthEstimator(const DepthOptions& options) : state_(std::make_unique<State>(options)) {}

DepthEstimator::~DepthEstimator() = default;

const std::string& DepthEstimator::file() const { return state_->checkpoint->file(); }

DepthEstimate DepthEstimator::estimate(const Image& image, const CancelToken& cancel) {
  const Device& device = *state_->device;
  DepthEstimate estimate{};
  estimate.planned_bytes = state_->plan_for(image.size()).needed_bytes;
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
