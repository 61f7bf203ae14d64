#include "easel/pipeline/memory.h"

#include <algorithm>

namespace easel {
namespace {

// A transformer's widest moment: its input, the normalised input, both halves of GEGLU at four times the width, and
// what the level's ResBlocks keep.
constexpr int64_t kUnetLiveActivations = 14;
// A ResBlock's widest moment: its input, the normalised input and the output; a convolution's own buffers beside them.
constexpr int64_t kDecoderLiveActivations = 3;
// A block's input and two results, of which the last is written anew by its ReLU.
constexpr int64_t kTinyDecoderLiveActivations = 4;

// Token merging, on the host: tokens, their averages and the directions that are compared, and similarities.
constexpr int64_t kMergingCopies = 4;
constexpr int64_t kSimilarityRows = 2 * 1024;

uint64_t floats(int64_t count) { return static_cast<uint64_t>(count) * sizeof(float); }

// All outputs of the way down wait for the way up.
int64_t skip_floats(const UNetConfig& config, int64_t rows, int64_t columns) {
  int64_t count = 0;
  for (size_t level = 0; level < config.levels.size(); ++level) {
    const int64_t pixels = (rows >> level) * (columns >> level);
    count += (config.res_blocks + 1) * pixels * config.levels[level].channels;
  }
  return count;
}

}  // namespace

// Most weights are read from the mapped file at each use (docs/adr/0006), whose pages the system may take back: packed
// and kept are strided convolutions and the time embedding, a twentieth of a UNet.
uint64_t kept_weight_bytes(const Model& model, uint64_t bytes) { return model.is_streamed() ? 0 : bytes / 20; }

uint64_t kept_int8_bytes(const Model& model, uint64_t bytes) {
  const bool keeps_integers = model.is_int8() && !model.is_streamed();
  return kept_weight_bytes(model, bytes) + (keeps_integers ? bytes / sizeof(float) : 0);
}

uint64_t unet_activation_bytes(const UNetConfig& config, int64_t rows, int64_t columns, int64_t batch) {
  int64_t widest = 0;
  for (size_t level = 0; level < config.levels.size(); ++level) {
    widest = std::max(widest, (rows >> level) * (columns >> level) * config.levels[level].channels);
  }
  return floats(batch * (skip_floats(config, rows, columns) + kUnetLiveActivations * widest));
}

uint64_t token_merging_bytes(const UNetConfig& config, int64_t rows, int64_t columns, int64_t batch) {
  for (size_t level = 0; level < config.levels.size(); ++level) {
    if (!config.levels[level].has_transformers) continue;
    const int64_t pixels = (rows >> level) * (columns >> level);
    return floats(kMergingCopies * batch * pixels * config.levels[level].channels + kSimilarityRows * pixels / 4);
  }
  return 0;
}

uint64_t deep_feature_bytes(const UNetConfig& config, int64_t branch, int64_t rows, int64_t columns, int64_t batch) {
  const int64_t block = config.branches() - 1 - branch;  // the first one of the way up that is computed
  const size_t level = config.output_level(block);
  const int64_t channels = config.levels[config.output_level(std::max<int64_t>(block - 1, 0))].channels;
  return floats(batch * (rows >> level) * (columns >> level) * channels);
}

uint64_t decoder_activation_bytes(const VaeConfig& config, int64_t rows, int64_t columns) {
  int64_t widest = 0;
  for (size_t level = 0; level < config.level_channels.size(); ++level) {
    const int64_t scale = config.factor() >> level;
    const size_t coming_from = std::min(level + 1, config.level_channels.size() - 1);
    const int64_t channels = std::max(config.level_channels[level], config.level_channels[coming_from]);
    widest = std::max(widest, rows * scale * columns * scale * channels);
  }
  return floats(kDecoderLiveActivations * widest);
}

uint64_t decoder_activation_bytes(const TinyVaeConfig& config, int64_t rows, int64_t columns) {
  int64_t widest = 0, scale = 1;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const TinyVaeConfig::Layer& layer = config.layers[i];
    const bool doubles = !layer.is_block && i > 0 && i + 1 < config.layers.size();
    if (doubles) scale *= 2;
    widest = std::max(widest, rows * scale * columns * scale * std::max(layer.c_in, layer.c_out));
  }
  return floats(kTinyDecoderLiveActivations * widest);
}

uint64_t decoder_activation_bytes(const Model& model, int64_t rows, int64_t columns) {
  if (model.tiny_decoder() != nullptr) return decoder_activation_bytes(model.tiny_decoder()->config(), rows, columns);
  return decoder_activation_bytes(model.vae_decoder().config(), rows, columns);
}

uint64_t less_work_bytes(const UNetConfig& config, const JobSize& job, int64_t rows, int64_t columns) {
  const int64_t latents = job.latents * job.batch;
  uint64_t bytes = 0;
  if (job.merges_tokens) bytes += token_merging_bytes(config, rows, columns, latents);
  if (job.cache_branch) bytes += deep_feature_bytes(config, *job.cache_branch, rows, columns, latents);
  return bytes;
}

}  // namespace easel
