#include "easel/unet/unet.h"

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

Tensor UNet::operator()(const Tensor& x, std::span<const float> timesteps, const Conditioning& conditioning,
                        const BlockObserver& observe) const {
  const Tensor sinusoids = timestep_embedding(x.device(), timesteps, config_.model_channels);
  Tensor time = time_embed2_(time_embed1_(sinusoids, {.activation = Activation::silu}));  // [n, time_width]
  time = observed(observe, time, "time_embed");
  if (conditioning.class_embedding_) time = time + *conditioning.class_embedding_;

  std::vector<Tensor> skips = {observed(observe, conv_in_(x), "input_blocks.0")};
  for (size_t i = 0; i < input_blocks_.size(); ++i) {
    const Tensor h = input_blocks_[i](skips.back(), time, conditioning.input_[i]);
    skips.push_back(observed(observe, h, "input_blocks.{}", i + 1));
  }

  Tensor h = observed(observe, middle_block1_(skips.back(), time), "middle_block.0");
  h = observed(observe, middle_transformer_(h, conditioning.middle_), "middle_block.1");
  h = observed(observe, middle_block2_(h, time), "middle_block.2");

  for (size_t i = 0; i < output_blocks_.size(); ++i) {
    h = ops::concat_channels(h, take_last(skips));
    h = observed(observe, output_blocks_[i](h, time, conditioning.output_[i]), "output_blocks.{}", i);
  }
  return observed(observe, conv_out_(norm_out_(h, Activation::silu)), "out");
}

}  // namespace easel
