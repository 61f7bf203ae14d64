#include "easel/pipeline/memory.h"

#include <algorithm>

namespace easel {
namespace {

// Token merging, on the host: tokens, their averages and the directions that are compared, and similarities.
constexpr int64_t kMergingCopies = 4;
constexpr int64_t kSimilarityRows = 2 * 1024;

uint64_t floats(int64_t count) { return static_cast<uint64_t>(count) * sizeof(float); }

}  // namespace

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

uint64_t less_work_bytes(const UNetConfig& config, const JobSize& job, int64_t rows, int64_t columns) {
  const int64_t latents = job.latents * job.batch;
  uint64_t bytes = 0;
  if (job.merges_tokens) bytes += token_merging_bytes(config, rows, columns, latents);
  if (job.cache_branch) bytes += deep_feature_bytes(config, *job.cache_branch, rows, columns, latents);
  return bytes;
}

}  // namespace easel
