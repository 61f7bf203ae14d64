#include "easel/vae/vae_encoder.h"

#include <cmath>

#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

constexpr float kMinLogvar = -30.0f;
constexpr float kMaxLogvar = 20.0f;

// Pads right and bottom only.
constexpr Window downsample_window(PaddingMode padding) {
  return {.kernel = 3, .stride = 2, .padding = {.bottom = 1, .right = 1, .mode = padding}};
}

}  // namespace

Tensor Posterior::sample(const Tensor& noise) const {
  EASEL_ASSERT(noise.shape() == mean.shape());
  std::vector<float> spread = logvar.values();
  for (float& value : spread) value = std::exp(0.5f * value);
  return mean + Tensor::from(mean.device(), mean.shape(), std::span<const float>(spread)) * noise;
}

VaeEncoder::VaeEncoder(const Weights& weights, const VaeConfig& config)
    : config_(config),
      conv_in_(weights / "encoder.conv_in", 3, config.stem_channels, window_3x3(config.padding)),
      levels_(config.level_channels.size()),
      middle_(weights / "encoder.mid", config.level_channels.back(), config.padding),
      norm_out_(weights / "encoder.norm_out", config.level_channels.back(), kVaeEpsilon),
      conv_out_(weights / "encoder.conv_out", config.level_channels.back(), 2 * config.latent_channels,
                window_3x3(config.padding)),
      quant_mean_(Linear(weights / "quant_conv", 2 * config.latent_channels, 2 * config.latent_channels)
                      .outputs(0, config.latent_channels)),
      quant_logvar_(Linear(weights / "quant_conv", 2 * config.latent_channels, 2 * config.latent_channels)
                        .outputs(config.latent_channels, 2 * config.latent_channels)) {
  int64_t c_in = config.stem_channels;
  for (size_t i = 0; i < levels_.size(); ++i) {
    const Weights down = weights / "encoder.down" / static_cast<int64_t>(i);
    const int64_t channels = config.level_channels[i];
    for (int64_t block = 0; block < config.res_blocks; ++block) {
      levels_[i].blocks.emplace_back(down / "block" / block, c_in, channels, config.padding);
      c_in = channels;
    }
    if (i + 1 < levels_.size()) {
      levels_[i].downsample.emplace(down / "downsample.conv", channels, channels, downsample_window(config.padding));
    }
  }
}

Tensor VaeEncoder::in_bands(const Tensor& image, const BlockObserver& observe) const {
  EASEL_ASSERT(image.dim(0) == 1);
  const int64_t finest = image.dim(1) * image.dim(2) * config_.level_channels[0];
  BandedImage h(image, config_.bands, finest + finest / 4);
  h.apply(conv_in_);
  observed(observe, h.image(), "encoder.conv_in");
  for (size_t i = 0; i < levels_.size(); ++i) {
    for (size_t block = 0; block < levels_[i].blocks.size(); ++block) {
      h.apply(levels_[i].blocks[block]);
      observed(observe, h.image(), "encoder.down.{}.block.{}", i, block);
    }
    if (!levels_[i].downsample) continue;
    h.apply(*levels_[i].downsample);
    observed(observe, h.image(), "encoder.down.{}.downsample", i);
  }
  return h.image();
}

Tensor VaeEncoder::whole(const Tensor& image, const BlockObserver& observe) const {
  Tensor h = observed(observe, conv_in_(image), "encoder.conv_in");  // [n, height, width, stem channels]
  for (size_t i = 0; i < levels_.size(); ++i) {
    for (size_t block = 0; block < levels_[i].blocks.size(); ++block) {
      h = observed(observe, levels_[i].blocks[block](h), "encoder.down.{}.block.{}", i, block);
    }
    if (levels_[i].downsample) h = observed(observe, (*levels_[i].downsample)(h), "encoder.down.{}.downsample", i);
  }
  return h;
}

Posterior VaeEncoder::operator()(const Tensor& image, const BlockObserver& observe) const {
  Tensor h = config_.bands == VaeBands::none ? whole(image, observe) : in_bands(image, observe);
  h = middle_(h, "encoder.mid", observe);
  h = observed(observe, conv_out_(norm_out_(h, Activation::silu)), "encoder.conv_out");  // [n, h, w, moments]
  return {.mean = quant_mean_(h), .logvar = ops::clamp(quant_logvar_(h), kMinLogvar, kMaxLogvar)};
}

}  // namespace easel
