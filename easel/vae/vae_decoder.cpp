#include "easel/vae/vae_decoder.h"

namespace easel {

VaeDecoder::VaeDecoder(const Weights& weights, const VaeConfig& config)
    : config_(config),
      post_quant_(weights / "post_quant_conv", config.latent_channels, config.latent_channels),
      conv_in_(weights / "decoder.conv_in", config.latent_channels, config.level_channels.back(),
               window_3x3(config.padding)),
      middle_(weights / "decoder.mid", config.level_channels.back(), config.padding),
      levels_(config.level_channels.size()),
      norm_out_(weights / "decoder.norm_out", config.level_channels.front(), kVaeEpsilon),
      conv_out_(weights / "decoder.conv_out", config.level_channels.front(), 3, window_3x3(config.padding)) {
  int64_t c_in = config.level_channels.back();
  for (size_t i = levels_.size(); i-- > 0;) {
    const Weights up = weights / "decoder.up" / static_cast<int64_t>(i);
    const int64_t channels = config.level_channels[i];
    for (int64_t block = 0; block <= config.res_blocks; ++block) {
      levels_[i].blocks.emplace_back(up / "block" / block, c_in, channels, config.padding);
      c_in = channels;
    }
    if (i > 0) levels_[i].upsample.emplace(up / "upsample.conv", channels, channels, window_3x3(config.padding));
  }
}

Tensor VaeDecoder::operator()(const Tensor& z, const BlockObserver& observe) const {
  Tensor h = observed(observe, post_quant_(z), "post_quant_conv");
  h = observed(observe, conv_in_(h), "decoder.conv_in");  // [n, h, w, coarsest channels]
  h = middle_(h, "decoder.mid", observe);
  if (config_.bands != VaeBands::none) return in_bands(std::move(h), observe);
  for (size_t i = levels_.size(); i-- > 0;) {
    for (size_t block = 0; block < levels_[i].blocks.size(); ++block) {
      h = observed(observe, levels_[i].blocks[block](h), "decoder.up.{}.block.{}", i, block);
    }
    if (levels_[i].upsample) {
      h = observed(observe, (*levels_[i].upsample)(ops::upsample_nearest_2x(h)), "decoder.up.{}.upsample", i);
    }
  }
  return observed(observe, conv_out_(norm_out_(h, Activation::silu)), "decoder.conv_out");
}

Tensor VaeDecoder::in_bands(Tensor h, const BlockObserver& observe) const {
  EASEL_ASSERT(h.dim(0) == 1);
  const std::vector<int64_t>& channels = config_.level_channels;
  const int64_t pixels = h.dim(1) * h.dim(2) * config_.factor() * config_.factor();
  const int64_t finest = pixels * channels[0] + (channels.size() > 1 ? pixels / 4 * channels[1] : 0);
  BandedImage image(std::move(h), config_.bands, finest);
  for (size_t i = levels_.size(); i-- > 0;) {
    for (size_t block = 0; block < levels_[i].blocks.size(); ++block) {
      image.apply(levels_[i].blocks[block]);
      observed(observe, image.image(), "decoder.up.{}.block.{}", i, block);
    }
    if (levels_[i].upsample) image.apply_enlarged(*levels_[i].upsample, channels[i - 1]);
  }
  return observed(observe, image.finish(norm_out_, conv_out_), "decoder.conv_out");
}

}  // namespace easel
