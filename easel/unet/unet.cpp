#include "easel/unet/unet.h"

#include <bit>
#include <utility>

#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

constexpr float kEpsilon = 1e-5f;

// Removes and returns the last one.
Tensor take_last(std::vector<Tensor>& tensors) {
  Tensor last = std::move(tensors.back());
  tensors.pop_back();
  return last;
}

// Choose the tokens that stay: others at each step, and whatever else is in the batch.
std::vector<uint64_t> merging_seeds(std::span<const float> timesteps) {
  std::vector<uint64_t> seeds;
  for (const float timestep : timesteps) seeds.push_back(std::bit_cast<uint32_t>(timestep));
  return seeds;
}

// Where `merging` is about another size the block has nothing to merge.
const TokenMergingConfig* at_size(const std::optional<TokenMergingConfig>& merging, const Tensor& x) {
  return merging && x.dim(1) == merging->rows && x.dim(2) == merging->columns ? &*merging : nullptr;
}

}  // namespace

UNet::UNet(const Weights& weights, const UNetConfig& config)
    : config_(config),
      time_embed1_(weights / "time_embed.0", config.model_channels, config.time_width()),
      time_embed2_(weights / "time_embed.2", config.time_width(), config.time_width()),
      conv_in_(weights / "input_blocks.0.0", config.in_channels, config.model_channels, window_3x3(config.padding)),
      middle_block1_(weights / "middle_block.0",
                     res_block_config(config, config.levels.back().channels, config.levels.back())),
      middle_transformer_(weights / "middle_block.1", transformer_config(config, config.levels.back())),
      middle_block2_(weights / "middle_block.2",
                     res_block_config(config, config.levels.back().channels, config.levels.back())),
      norm_out_(weights / "out.0", config.levels.front().channels, kEpsilon),
      conv_out_(weights / "out.2", config.levels.front().channels, config.out_channels, window_3x3(config.padding)) {
  if (config.classes > 0) {
    label_embedding_.emplace(weights.parameter("label_emb.weight", {config.classes, config.time_width()}));
  }
  add_output_blocks(weights / "output_blocks", add_input_blocks(weights / "input_blocks"));
}

// Returns the channels of every input block's output, that of input_blocks.0 (conv_in_) first.
std::vector<int64_t> UNet::add_input_blocks(const Weights& weights) {
  std::vector<int64_t> skip_channels = {config_.model_channels};
  for (const UNetLevel& level : config_.levels) {
    for (int64_t i = 0; i < config_.res_blocks; ++i) {
      const auto index = static_cast<int64_t>(skip_channels.size());
      input_blocks_.push_back(UNetBlock::residual(weights / index, skip_channels.back(), level, config_));
      skip_channels.push_back(level.channels);
    }
    if (&level == &config_.levels.back()) break;
    const auto index = static_cast<int64_t>(skip_channels.size());
    input_blocks_.push_back(UNetBlock::downsample(weights / index, level.channels, config_));
    skip_channels.push_back(level.channels);
  }
  return skip_channels;
}

// Each takes the output of one input block as a skip connection, the last one first.
void UNet::add_output_blocks(const Weights& weights, std::vector<int64_t> skip_channels) {
  int64_t channels = config_.levels.back().channels;
  for (auto level = config_.levels.rbegin(); level != config_.levels.rend(); ++level) {
    for (int64_t i = 0; i <= config_.res_blocks; ++i) {
      const bool upsamples = i == config_.res_blocks && std::next(level) != config_.levels.rend();
      const auto make = upsamples ? UNetBlock::residual_and_upsample : UNetBlock::residual;
      const auto index = static_cast<int64_t>(output_blocks_.size());
      output_blocks_.push_back(make(weights / index, channels + skip_channels.back(), *level, config_));
      skip_channels.pop_back();
      channels = level->channels;
    }
  }
}

UNet::Conditioning UNet::condition(const Tensor& context, std::span<const int32_t> class_labels) const {
  Conditioning conditioning;
  for (const UNetBlock& block : input_blocks_) conditioning.input_.push_back(block.read_prompt(context));
  conditioning.middle_ = middle_transformer_.read_prompt(context);
  for (const UNetBlock& block : output_blocks_) conditioning.output_.push_back(block.read_prompt(context));
  if (label_embedding_) {
    EASEL_ASSERT(static_cast<int64_t>(class_labels.size()) == context.dim(0));
    const Tensor labels = Tensor::from(context.device(), {context.dim(0), 1}, class_labels);
    conditioning.class_embedding_ = (*label_embedding_)(labels).reshape({context.dim(0), config_.time_width()});
  }
  return conditioning;
}

std::optional<TokenMergingConfig> UNet::merging_for(const Tensor& x, std::span<const float> timesteps,
                                                    double ratio) const {
  if (ratio == 0.0) return std::nullopt;
  for (size_t level = 0; level < config_.levels.size(); ++level) {
    if (!config_.levels[level].has_transformers || !config_.levels[level].self_attention) continue;
    const int64_t rows = x.dim(1) >> level, columns = x.dim(2) >> level;
    if (rows < 2 || columns < 2) return std::nullopt;  // no 2x2 of which one could stay
    return TokenMergingConfig{.ratio = ratio, .rows = rows, .columns = columns, .seeds = merging_seeds(timesteps)};
  }
  return std::nullopt;
}

Tensor UNet::operator()(const Tensor& x, std::span<const float> timesteps, const Conditioning& conditioning,
                        const BlockObserver& observe, const UNetShortcuts& shortcuts,
                        std::span<const Tensor> steering) const {
  const Tensor sinusoids = timestep_embedding(x.device(), timesteps, config_.model_channels);
  Tensor time = time_embed2_(time_embed1_(sinusoids, {.activation = Activation::silu}));  // [n, time_width]
  time = observed(observe, time, "time_embed");
  if (conditioning.class_embedding_) time = time + *conditioning.class_embedding_;
  const auto merging = merging_for(x, timesteps, shortcuts.token_merging_ratio);
  UNetShortcuts::DeepFeature* const deep = shortcuts.deep;
  const bool is_reused = deep != nullptr && deep->feature;
  const size_t steered = is_reused ? static_cast<size_t>(deep->branch) + 1 : input_blocks_.size() + 2;
  EASEL_ASSERT(steering.empty() || steering.size() == steered);

  std::vector<Tensor> skips = {observed(observe, conv_in_(x), "input_blocks.0")};
  const size_t blocks_down = is_reused ? static_cast<size_t>(deep->branch) : input_blocks_.size();
  for (size_t i = 0; i < blocks_down; ++i) {
    const Tensor h = input_blocks_[i](skips.back(), time, conditioning.input_[i], at_size(merging, skips.back()));
    skips.push_back(observed(observe, h, "input_blocks.{}", i + 1));
  }

  Tensor h = is_reused ? *deep->feature : middle(skips.back(), time, conditioning, observe);
  if (!is_reused && !steering.empty()) h = h + steering.back();
  for (size_t i = output_blocks_.size() - skips.size(); i < output_blocks_.size(); ++i) {
    if (deep != nullptr && skips.size() == static_cast<size_t>(deep->branch) + 1) deep->feature = h;
    Tensor skip = take_last(skips);
    if (!steering.empty()) skip = skip + steering[skips.size()];
    h = ops::concat_channels(h, skip);
    h = observed(observe, output_blocks_[i](h, time, conditioning.output_[i], at_size(merging, h)), "output_blocks.{}",
                 i);
  }
  return observed(observe, conv_out_(norm_out_(h, Activation::silu)), "out");
}

// x [n, h, w, coarsest channels] -> same
Tensor UNet::middle(const Tensor& x, const Tensor& time, const Conditioning& conditioning,
                    const BlockObserver& observe) const {
  Tensor h = observed(observe, middle_block1_(x, time), "middle_block.0");
  h = observed(observe, middle_transformer_(h, conditioning.middle_), "middle_block.1");
  return observed(observe, middle_block2_(h, time), "middle_block.2");
}

}  // namespace easel
