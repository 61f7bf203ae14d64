#include "easel/vae/vae_config.h"

#include "easel/base/error.h"
#include "easel/nn/norm.h"
#include "easel/nn/structure.h"

namespace easel {
namespace {

constexpr int64_t kMaxLevels = 8;

// levels: "decoder.up" or "encoder.down".
std::vector<int64_t> read_level_channels(const Weights& weights, std::string_view levels) {
  const int64_t count = count_blocks(weights, levels);
  if (count < 1 || count > kMaxLevels) {
    throw Error(ErrorCode::bad_checkpoint, "{}.{} has {} levels, expected 1 to {}", weights.path(), levels, count,
                kMaxLevels);
  }
  std::vector<int64_t> channels;
  for (int64_t level = 0; level < count; ++level) {
    channels.push_back(read_size(weights / levels / level, "block.0.conv1.weight", 4, 0));
    require_multiple(weights, "channels", channels.back(), GroupNorm::kGroups);
  }
  return channels;
}

}  // namespace

VaeConfig VaeConfig::of_decoder(const Weights& weights) {
  return {.level_channels = read_level_channels(weights, "decoder.up"),
          .res_blocks = count_blocks(weights, "decoder.up.0.block") - 1};
}

VaeConfig VaeConfig::of_encoder(const Weights& weights) {
  return {.level_channels = read_level_channels(weights, "encoder.down"),
          .stem_channels = read_size(weights / "encoder", "conv_in.weight", 4, 0),
          .res_blocks = count_blocks(weights, "encoder.down.0.block")};
}

}  // namespace easel
