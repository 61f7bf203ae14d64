#include "easel/depth/resnet.h"

#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

constexpr const char* kPath = "pretrained.model.patch_embed.backbone";

}  // namespace

BottleneckBlock::BottleneckBlock(const Weights& weights, int64_t c_in, int64_t c_out, int64_t stride, bool projects)
    : conv1_(weights / "conv1", c_in, c_out / 4, same_window(1, 1)),
      norm1_(weights / "norm1", c_out / 4, kResNetEpsilon),
      conv2_(weights / "conv2", c_out / 4, c_out / 4, same_window(3, stride)),
      norm2_(weights / "norm2", c_out / 4, kResNetEpsilon),
      conv3_(weights / "conv3", c_out / 4, c_out, same_window(1, 1)),
      norm3_(weights / "norm3", c_out, kResNetEpsilon) {
  if (!projects) return;
  const Weights below = weights / "downsample";
  shortcut_.emplace(Projection{StandardizedConv2d(below / "conv", c_in, c_out, same_window(1, stride)),
                               GroupNorm(below / "norm", c_out, kResNetEpsilon)});
}

Tensor BottleneckBlock::operator()(const Tensor& x) const {
  Tensor h = norm1_(conv1_(x), Activation::relu);  // [n, h, w, c_out / 4]
  h = norm2_(conv2_(h), Activation::relu);         // [n, h / stride, w / stride, c_out / 4]
  h = norm3_(conv3_(h));                           // [n, h / stride, w / stride, c_out]
  return ops::activate(h + (shortcut_ ? shortcut_->norm(shortcut_->conv(x)) : x), Activation::relu);
}

ResNet::ResNet(const Weights& weights, const DepthConfig& config)
    : stem_conv_(weights / "stem.conv", 3, config.stem_channels, same_window(7, 2)),
      stem_norm_(weights / "stem.norm", config.stem_channels, kResNetEpsilon),
      stages_(config.stage_channels.size()) {
  int64_t c_in = config.stem_channels;
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    const Weights blocks = weights / "stages" / static_cast<int64_t>(stage) / "blocks";
    const int64_t c_out = config.stage_channels[stage];
    for (int64_t block = 0; block < DepthConfig::kStageBlocks[stage]; ++block) {
      const bool first = block == 0;
      stages_[stage].emplace_back(blocks / block, c_in, c_out, first && stage > 0 ? 2 : 1, first);
      c_in = c_out;
    }
  }
}

Tensor ResNet::run_stage(size_t stage, Tensor x, const BlockObserver& observe) const {
  const std::vector<BottleneckBlock>& blocks = stages_[stage];
  for (size_t i = 0; i < blocks.size(); ++i) {
    x = observed(observe, blocks[i](x), "{}.stages.{}.blocks.{}", kPath, stage, i);
  }
  return observed(observe, x, "{}.stages.{}", kPath, stage);
}

ResNet::Features ResNet::operator()(const Tensor& image, const BlockObserver& observe) const {
  const Window pool = same_window(3, 2);
  Tensor x = observed(observe, stem_conv_(image), "{}.stem.conv", kPath);  // [n, h / 2, w / 2, stem channels]
  x = ops::max_pool(stem_norm_(x, Activation::relu),
                    {.kernel = pool.kernel, .stride = pool.stride, .padding = pool.padding});
  x = observed(observe, x, "{}.stem", kPath);  // [n, h / 4, w / 4, stem channels]
  const Tensor quarter = run_stage(0, x, observe);
  const Tensor eighth = run_stage(1, quarter, observe);
  return {.quarter = quarter, .eighth = eighth, .sixteenth = run_stage(2, eighth, observe)};
}

}  // namespace easel
