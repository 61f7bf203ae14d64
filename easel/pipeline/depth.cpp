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

// Numbers for each pixel of the picture: as a list and as a tensor, three channels.
constexpr int64_t kImageFloats = 6;
// Weights that are read into one buffer and packed into another.
constexpr uint64_t kPackingBytes = 50'000'000;

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

uint64_t depth_estimation_bytes(const DepthConfig& config, Size image) {
  const DepthInputSize size = depth_input_size(image.height_px, image.width_px);
  // Numbers for each pixel. The head has half the features at the full size, and a quarter of that beside them. The
  // first stage's widest moment is a block's input, output, shortcut and sum, at 1/4 of the size; the stem's is at 1/2.
  const int64_t head = config.features * 5 / 8;
  const int64_t backbone = config.stem_channels / 2 + config.stage_channels[0] * 5 / 16;
  const int64_t running = std::max(head, backbone) * size.height_px * size.width_px;
  const int64_t reading = kImageFloats * image.width_px * image.height_px;
  return static_cast<uint64_t>(std::max(reading, running)) * sizeof(float) + kPackingBytes;
}

}  // namespace easel
