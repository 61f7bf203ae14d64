#include "easel/unet/unet_config.h"

#include <fmt/format.h>

#include "easel/base/error.h"
#include "easel/nn/norm.h"
#include "easel/nn/structure.h"

namespace easel {
namespace {

constexpr int64_t kMaxLevels = 8;
constexpr int64_t kMaxClasses = 1 << 16;
constexpr int64_t kFixedHeads = 8;

// input_blocks.0 is the first convolution; then per level its res blocks and, but for the last level, a downsample.
void read_levels(const Weights& weights, UNetConfig& config) {
  const Weights input_blocks = weights / "input_blocks";
  int64_t blocks_in_level = 0;
  int64_t res_blocks = 0;
  const int64_t blocks = count_blocks(weights, "input_blocks");
  for (int64_t i = 1; i < blocks; ++i) {
    const Weights block = input_blocks / i;
    if (block.has("0.op")) {
      blocks_in_level = 0;
      continue;
    }
    const int64_t channels = read_size(block, "0.in_layers.2.weight", 4, 0);
    if (blocks_in_level++ == 0) config.levels.push_back({.channels = channels, .has_transformers = block.has("1")});
    ++res_blocks;
  }
  const auto levels = static_cast<int64_t>(config.levels.size());
  if (levels < 1 || levels > kMaxLevels || res_blocks % levels != 0) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} res blocks in {} levels, expected the same number in each",
                weights.path(), res_blocks, levels);
  }
  config.res_blocks = res_blocks / levels;
}

// The first transformer tells how all are built; the middle block always has one.
void read_transformers(const Weights& weights, UNetConfig& config) {
  Weights transformer = weights / "middle_block.1";
  int64_t channels = config.levels.back().channels;
  for (size_t level = config.levels.size(); level-- > 0;) {
    if (!config.levels[level].has_transformers) continue;
    const int64_t first_block = 1 + static_cast<int64_t>(level) * (config.res_blocks + 1);
    transformer = weights / "input_blocks" / first_block / 1;
    channels = config.levels[level].channels;
  }
  config.transformer_depth = count_blocks(transformer, "transformer_blocks");
  const Weights block = transformer / "transformer_blocks.0";
  config.context_width = read_size(block, "attn2.to_k.weight", 2, 1);
  // Where the finest transformer's attn1 does not look at the image, no level but the coarsest does.
  const bool self_attention = read_size(block, "attn1.to_k.weight", 2, 1) == channels;
  for (UNetLevel& level : config.levels) level.self_attention = self_attention || &level == &config.levels.back();

  // SD 2 has linear layers there; stable-diffusion.cpp makes convolutions of them, but OpenCLIP's width remains.
  constexpr int64_t kOpenClipWidth = 1024;
  const bool is_v1 = transformer.shape("proj_in.weight").rank() == 4 && config.context_width != kOpenClipWidth;
  const bool is_upscaler = config.classes > 0;
  config.fixed_heads = is_v1 || is_upscaler ? std::optional(kFixedHeads) : std::nullopt;
}

void check_channels(const Weights& weights, const UNetConfig& config) {
  require_multiple(weights, "model channels", config.model_channels, GroupNorm::kGroups);
  for (const UNetLevel& level : config.levels) {
    require_multiple(weights, "channels", level.channels, GroupNorm::kGroups);
    require_multiple(weights, "channels", level.channels, config.fixed_heads.value_or(64));
  }
}

}  // namespace

std::vector<int64_t> skip_channels(const UNetConfig& config) {
  std::vector<int64_t> channels = {config.model_channels};
  for (const UNetLevel& level : config.levels) {
    const bool is_last = &level == &config.levels.back();
    channels.insert(channels.end(), static_cast<size_t>(config.res_blocks + (is_last ? 0 : 1)), level.channels);
  }
  return channels;
}

UNetConfig UNetConfig::from(const Weights& weights) {
  UNetConfig config;
  config.model_channels = read_size(weights, "input_blocks.0.0.weight", 4, 0);
  config.in_channels = read_size(weights, "input_blocks.0.0.weight", 4, 1);
  if (weights.has("label_emb.weight")) config.classes = read_size(weights, "label_emb.weight", 2, 0, kMaxClasses);
  read_levels(weights, config);
  read_transformers(weights, config);
  check_channels(weights, config);
  return config;
}

}  // namespace easel
