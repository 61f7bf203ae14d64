#include "easel/control/control_net.h"

#include "easel/nn/embedding.h"

namespace easel {
namespace {

constexpr int64_t kHintColours = 3;

// The hint encoder of Zhang et al. halves the size in its third, fifth and seventh convolution.
constexpr bool halves(size_t hint_conv) { return hint_conv == 2 || hint_conv == 4 || hint_conv == 6; }

Tensor repeated_batch(const Tensor& x, int64_t n) {
  Tensor all = x;
  for (int64_t i = 1; i < n; ++i) all = ops::concat_batch(all, x);
  return all;
}

}  // namespace

ControlNet::ControlNet(const Weights& weights, const ControlNetConfig& config)
    : config_(config),
      time_embed1_(weights / "time_embed.0", config.half.model_channels, config.half.time_width()),
      time_embed2_(weights / "time_embed.2", config.half.time_width(), config.half.time_width()),
      conv_in_(weights / "input_blocks.0.0", config.half.in_channels, config.half.model_channels,
               window_3x3(config.half.padding)),
      middle_block1_(weights / "middle_block.0",
                     res_block_config(config.half, config.half.levels.back().channels, config.half.levels.back())),
      middle_transformer_(weights / "middle_block.1", transformer_config(config.half, config.half.levels.back())),
      middle_block2_(weights / "middle_block.2",
                     res_block_config(config.half, config.half.levels.back().channels, config.half.levels.back())),
      middle_out_(weights / "middle_block_out.0", config.half.levels.back().channels, config.out_channels.back()) {
  int64_t c_in = kHintColours;
  for (size_t i = 0; i < config.hint_channels.size(); ++i) {
    Window window = window_3x3(config.half.padding);
    if (halves(i)) window.stride = 2;
    hint_convs_.emplace_back(weights / "input_hint_block" / static_cast<int64_t>(2 * i), c_in, config.hint_channels[i],
                             window);
    c_in = config.hint_channels[i];
  }
  const std::vector<int64_t> channels = add_input_blocks(weights / "input_blocks");
  for (size_t i = 0; i < channels.size(); ++i) {
    zero_convs_.emplace_back(weights / "zero_convs" / static_cast<int64_t>(i) / 0, channels[i], config.out_channels[i]);
  }
}

// As UNet's. Returns the channels of every input block's output, that of conv_in_ first.
std::vector<int64_t> ControlNet::add_input_blocks(const Weights& weights) {
  const UNetConfig& half = config_.half;
  std::vector<int64_t> channels = {half.model_channels};
  const auto below = [&] { return weights / static_cast<int64_t>(channels.size()); };
  for (const UNetLevel& level : half.levels) {
    for (int64_t i = 0; i < half.res_blocks; ++i) {
      input_blocks_.push_back(UNetBlock::residual(below(), channels.back(), level, half));
      channels.push_back(level.channels);
    }
    if (&level == &half.levels.back()) break;
    input_blocks_.push_back(UNetBlock::downsample(below(), level.channels, half));
    channels.push_back(level.channels);
  }
  return channels;
}

Tensor ControlNet::read_hint(const Tensor& hint) const {
  Tensor h = hint;
  for (size_t i = 0; i + 1 < hint_convs_.size(); ++i) h = hint_convs_[i](h, {.activation = Activation::silu});
  return hint_convs_.back()(h);
}

ControlNet::Conditioning ControlNet::condition(const Tensor& context) const {
  Conditioning conditioning;
  for (const UNetBlock& block : input_blocks_) conditioning.input_.push_back(block.read_prompt(context));
  conditioning.middle_ = middle_transformer_.read_prompt(context);
  return conditioning;
}

std::vector<Tensor> ControlNet::operator()(const Tensor& x, std::span<const float> timesteps,
                                           const Conditioning& conditioning, const Tensor& hint,
                                           const BlockObserver& observe, std::optional<int64_t> skips) const {
  EASEL_ASSERT(!skips || (*skips >= 1 && *skips <= static_cast<int64_t>(zero_convs_.size())));
  const Tensor sinusoids = timestep_embedding(x.device(), timesteps, config_.half.model_channels);
  const Tensor time = time_embed2_(time_embed1_(sinusoids, {.activation = Activation::silu}));  // [n, time_width]
  Tensor h = observed(observe, conv_in_(x, {.residual = repeated_batch(hint, x.dim(0))}), "control.input_blocks.0");
  std::vector<Tensor> out = {zero_convs_[0](h)};
  const size_t blocks = skips ? static_cast<size_t>(*skips) - 1 : input_blocks_.size();
  for (size_t i = 0; i < blocks; ++i) {
    h = observed(observe, input_blocks_[i](h, time, conditioning.input_[i]), "control.input_blocks.{}", i + 1);
    out.push_back(zero_convs_[i + 1](h));
  }
  if (skips) return out;
  h = observed(observe, middle_block1_(h, time), "control.middle_block.0");
  h = observed(observe, middle_transformer_(h, conditioning.middle_), "control.middle_block.1");
  h = observed(observe, middle_block2_(h, time), "control.middle_block.2");
  out.push_back(middle_out_(h));
  return out;
}

}  // namespace easel
