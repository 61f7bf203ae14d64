#include "easel/upscale/rrdbnet.h"

#include <string_view>

#include "easel/base/error.h"
#include "easel/nn/structure.h"
#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

constexpr float kResidual = 0.2f;  // share of a block's result that is added to its input
constexpr int64_t kImageChannels = 3;
constexpr int64_t kGrowingConvs = 4;
constexpr int64_t kMaxDoublings = 3;
constexpr std::string_view kFirst = "conv_first.weight";

// Size `index` of a convolution's weight [c_out, c_in, 3, 3].
int64_t channels_of(const Checkpoint& checkpoint, std::string_view name, int index) {
  const WeightData* weight = checkpoint.find(name);
  if (weight == nullptr) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the tensor {} is missing; is the file complete?", checkpoint.file(),
                name);
  }
  const Shape& shape = weight->shape;
  if (shape.rank() != 4 || shape[index] < 1 || shape[index] > kMaxWidth) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} is {}, expected 4 dimensions of 1 to {}", checkpoint.file(), name,
                shape, kMaxWidth);
  }
  return shape[index];
}

// Of an image come 3 channels, or 3 of each pixel of a square.
int64_t unshuffle_of(const Checkpoint& checkpoint) {
  const int64_t channels = channels_of(checkpoint, kFirst, 1);
  for (const int64_t side : {1, 2, 4}) {
    if (channels == kImageChannels * side * side) return side;
  }
  throw Error(ErrorCode::bad_checkpoint, "{}: {} is {}, expected 3 (colours), 12 or 48 (of 2x2 or 4x4 pixels) channels",
              checkpoint.file(), kFirst, checkpoint.find(kFirst)->shape);
}

}  // namespace

RrdbNetConfig RrdbNetConfig::from(const Checkpoint& checkpoint) {
  RrdbNetConfig config{.unshuffle = unshuffle_of(checkpoint),
                       .features = channels_of(checkpoint, kFirst, 0),
                       .growth = channels_of(checkpoint, "body.0.rdb1.conv1.weight", 0),
                       .blocks = 0,
                       .doublings = 0};
  while (checkpoint.has_prefix(fmt::format("body.{}.", config.blocks))) ++config.blocks;
  while (checkpoint.has_prefix(fmt::format("conv_up{}.", config.doublings + 1))) ++config.doublings;
  if (config.doublings > kMaxDoublings || config.scale() < 1) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: the network takes {}x{} pixels as one and doubles {} times, expected 1 to {} doublings that make "
                "an image no smaller",
                checkpoint.file(), config.unshuffle, config.unshuffle, config.doublings, kMaxDoublings);
  }
  return config;
}

DenseBlock::DenseBlock(const Weights& weights, const RrdbNetConfig& config)
    : last_(weights / "conv5", config.features + kGrowingConvs * config.growth, config.features) {
  for (int64_t i = 0; i < kGrowingConvs; ++i) {
    growing_.emplace_back(weights / fmt::format("conv{}", i + 1), config.features + i * config.growth, config.growth);
  }
}

Tensor DenseBlock::operator()(const Tensor& x) const {
  Tensor known = x;  // [n, h, w, features + i growth]
  for (const Conv2d& conv : growing_) {
    known = ops::concat_channels(known, conv(known, {.activation = Activation::leaky_relu}));
  }
  return x + kResidual * last_(known);
}

RrdbNet::RrdbNet(const Weights& weights, const RrdbNetConfig& config)
    : config_(config),
      conv_first_(weights / "conv_first", kImageChannels * config.unshuffle * config.unshuffle, config.features),
      conv_body_(weights / "conv_body", config.features, config.features),
      conv_hr_(weights / "conv_hr", config.features, config.features),
      conv_last_(weights / "conv_last", config.features, kImageChannels) {
  for (int64_t i = 0; i < config.blocks; ++i) {
    const Weights block = weights / "body" / i;
    body_.push_back(
        {DenseBlock(block / "rdb1", config), DenseBlock(block / "rdb2", config), DenseBlock(block / "rdb3", config)});
  }
  for (int64_t i = 0; i < config.doublings; ++i) {
    conv_up_.emplace_back(weights / fmt::format("conv_up{}", i + 1), config.features, config.features);
  }
}

Tensor RrdbNet::operator()(const Tensor& x, const BlockObserver& observe) const {
  return enlarge_squares(pixel_unshuffle(x, config_.unshuffle), observe);
}

Tensor RrdbNet::enlarge_squares(const Tensor& squares, const BlockObserver& observe) const {
  const Tensor first = observed(observe, conv_first_(squares), "conv_first");
  Tensor h = first;  // [n, h / unshuffle, w / unshuffle, features]
  for (size_t i = 0; i < body_.size(); ++i) {
    const auto& [dense1, dense2, dense3] = body_[i];
    h = observed(observe, h + kResidual * dense3(dense2(dense1(h))), "body.{}", i);
  }
  h = observed(observe, conv_body_(h, {.residual = first}), "conv_body");
  for (size_t i = 0; i < conv_up_.size(); ++i) {
    const Tensor large = ops::upsample_nearest_2x(h);
    h = observed(observe, conv_up_[i](large, {.activation = Activation::leaky_relu}), "conv_up{}", i + 1);
  }
  h = observed(observe, conv_hr_(h, {.activation = Activation::leaky_relu}), "conv_hr");
  return observed(observe, conv_last_(h), "conv_last");
}

Tensor pixel_unshuffle(const Tensor& x, int64_t factor) {
  if (factor == 1) return x;
  const int64_t n = x.dim(0), h = x.dim(1) / factor, w = x.dim(2) / factor, c = x.dim(3);
  EASEL_ASSERT(x.dim(1) == h * factor && x.dim(2) == w * factor);
  const std::vector<float> from = x.values();
  std::vector<float> to;
  to.reserve(from.size());
  for (int64_t row = 0; row < n * h; ++row) {  // images lie one after the other
    for (int64_t column = 0; column < w; ++column) {
      for (int64_t channel = 0; channel < c; ++channel) {
        for (int64_t i = 0; i < factor * factor; ++i) {
          const int64_t y = row * factor + i / factor, z = column * factor + i % factor;
          to.push_back(from[static_cast<size_t>((y * w * factor + z) * c + channel)]);
        }
      }
    }
  }
  return Tensor::from(x.device(), {n, h, w, c * factor * factor}, std::span<const float>(to));
}

}  // namespace easel
