#include "easel/pipeline/depth.h"

#include <algorithm>
#include <optional>

#include "easel/base/error.h"
#include "easel/checkpoint/family.h"
#include "easel/checkpoint/inspect.h"
#include "easel/depth/depth_map.h"
#include "easel/image/tensor_image.h"
#include "easel/pipeline/finite.h"

namespace easel {
namespace {

constexpr std::string_view kInCheckpoint = "depth_model.model";
constexpr std::string_view kBackbone = "pretrained.model.patch_embed.backbone.";

// "depth_model.model" in an SD 2 depth checkpoint, nothing in the files that MiDaS published.
std::optional<std::string_view> depth_path(const Checkpoint& checkpoint) {
  if (checkpoint.has_prefix(fmt::format("{}.{}", kInCheckpoint, kBackbone))) return kInCheckpoint;
  if (checkpoint.has_prefix(kBackbone)) return "";
  return std::nullopt;
}

std::string kind_of(const Checkpoint& checkpoint) {
  if (const auto foreign = foreign_kind(checkpoint)) return *foreign;
  const CheckpointSummary summary = inspect(checkpoint);
  return summary.family ? fmt::format("of the family {}", name_of(*summary.family)) : "of no known family";
}

}  // namespace

bool has_depth_network(const Checkpoint& checkpoint) { return depth_path(checkpoint).has_value(); }

uint64_t depth_weight_bytes(const Checkpoint& checkpoint) {
  const std::string_view path = depth_path(checkpoint).value_or("");
  uint64_t bytes = 0;
  for (const WeightData& tensor : checkpoint.tensors()) {
    if (tensor.name.starts_with(path)) bytes += tensor.bytes.size();
  }
  return bytes;
}

Weights depth_weights(const Weights& weights, const Checkpoint& checkpoint) {
  if (const auto path = depth_path(checkpoint)) return weights / *path;
  throw Error(
      ErrorCode::bad_checkpoint,
      "{} is {} and holds no depth network of the DPT-hybrid kind; give an SD 2 depth checkpoint (512-depth-ema) "
      "or the dpt_hybrid file of MiDaS",
      checkpoint.file(), kind_of(checkpoint));
}

Tensor estimate_depth(const DepthNetwork& network, const Image& image, const Device& device,
                      const BlockObserver& observe) {
  const Tensor input = depth_input(tensor_from(image, device));
  const Tensor depth = network(input, observe);
  if (!is_finite(depth)) {
    throw Error(ErrorCode::bad_checkpoint,
                "the depth network gives numbers that are not finite; the checkpoint is damaged: download it again");
  }
  return depth;
}

Tensor depth_for_latent(const DepthNetwork& network, const Image& image, const Device& device, int64_t rows,
                        int64_t columns, const BlockObserver& observe) {
  return depth_channel(estimate_depth(network, image, device, observe), rows, columns);
}

Tensor depth_for_latent(const Grey16& map, const Device& device, int64_t rows, int64_t columns) {
  return depth_channel(tensor_from(map, device), rows, columns);
}

}  // namespace easel
