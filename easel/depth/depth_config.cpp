#include "easel/depth/depth_config.h"

#include <cmath>

#include "easel/base/error.h"
#include "easel/nn/norm.h"
#include "easel/nn/structure.h"

namespace easel {
namespace {

constexpr int64_t kMaxPositions = 1 << 16;
constexpr int64_t kBottleneck = 4;  // blocks compute with a quarter of their channels

// One position belongs to the class token, the others form a square.
int64_t read_position_side(const Weights& weights) {
  const int64_t positions = read_size(weights, "pretrained.model.pos_embed", 3, 1, kMaxPositions);
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(positions - 1))));
  if (positions > 1 && side * side == positions - 1) return side;
  throw Error(ErrorCode::bad_checkpoint, "{}.pretrained.model.pos_embed has {} positions, expected 1 + a square",
              weights.path(), positions);
}

}  // namespace

DepthConfig DepthConfig::from(const Weights& weights) {
  DepthConfig config{};
  const Weights backbone = weights / "pretrained.model.patch_embed.backbone";
  config.stem_channels = read_size(backbone, "stem.conv.weight", 4, 0);
  require_multiple(backbone, "stem channels", config.stem_channels, GroupNorm::kGroups);
  for (size_t stage = 0; stage < config.stage_channels.size(); ++stage) {
    config.stage_channels[stage] =
        read_size(backbone / "stages" / static_cast<int64_t>(stage), "blocks.0.conv3.weight", 2, 0);
    require_multiple(backbone, "channels", config.stage_channels[stage], kBottleneck * GroupNorm::kGroups);
  }
  config.width = read_size(weights, "pretrained.model.patch_embed.proj.weight", 2, 0);
  require_multiple(weights, "numbers a token", config.width, kHeadDim);
  config.mlp_width = read_size(weights, "pretrained.model.blocks.0.mlp.fc1.weight", 2, 0);
  config.position_side = read_position_side(weights);
  config.token_channels = {read_size(weights, "pretrained.act_postprocess3.3.weight", 2, 0),
                           read_size(weights, "pretrained.act_postprocess4.3.weight", 2, 0)};
  config.features = read_size(weights, "scratch.layer1_rn.weight", 4, 0);
  require_multiple(weights, "features", config.features, 2);
  config.head_channels = read_size(weights, "scratch.output_conv.2.weight", 4, 0);
  return config;
}

}  // namespace easel
