#include "easel/vae/tiny_vae.h"

#include <cmath>

#include "easel/base/error.h"
#include "easel/checkpoint/tiny_vae_file.h"
#include "easel/nn/structure.h"
#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

constexpr int64_t kMaxLayers = 64;
constexpr float kLatentLimit = 3.0f;  // standard deviations: what lies beyond means nothing to the network
constexpr int64_t kImageChannels = 3;

// 3 tanh(x / 3): leaves small values alone.
Tensor soft_limited(const Tensor& latent) {
  std::vector<float> values = latent.values();
  for (float& value : values) value = kLatentLimit * std::tanh(value / kLatentLimit);
  return Tensor::from(latent.device(), latent.shape(), std::span<const float>(values));
}

bool is_convolution(const TinyVaeConfig& config, size_t layer) { return !config.layers[layer].is_block; }

// All layers but the last: a stage begins at each convolution.
std::vector<TinyVaeStage> make_stages(const Weights& weights, const TinyVaeConfig& config, int64_t stride) {
  std::vector<TinyVaeStage> stages;
  for (size_t i = 0; i + 1 < config.layers.size(); ++i) {
    const auto& [index, is_block, c_in, c_out] = config.layers[i];
    if (is_block) {
      stages.back().blocks.emplace_back(weights / index, c_in, c_out, config.padding);
      continue;
    }
    Window window = window_3x3(config.padding);
    if (i > 0) window.stride = stride;
    const Bias bias = (weights / index).has("bias") ? Bias::yes : Bias::no;
    stages.push_back({.conv = Conv2d(weights / index, c_in, c_out, window, bias), .blocks = {}});
  }
  return stages;
}

Conv2d last_convolution(const Weights& weights, const TinyVaeConfig& config, int64_t c_out) {
  const TinyVaeConfig::Layer& last = config.layers.back();
  return Conv2d(weights / last.index, last.c_in, c_out, window_3x3(config.padding));
}

void require_images(const Checkpoint& checkpoint, int64_t channels) {
  if (channels == kImageChannels) return;
  throw Error(ErrorCode::bad_checkpoint, "{}: the encoder takes images of {} channels, expected {}", checkpoint.file(),
              channels, kImageChannels);
}

void require_latents(const Checkpoint& checkpoint, int64_t channels) {
  if (channels == kTinyVaeLatentChannels) return;
  throw Error(ErrorCode::bad_checkpoint,
              "{}: this tiny VAE is for latents of {} channels, but those of Stable Diffusion 1 and 2 have {}; take "
              "the one named taesd",
              checkpoint.file(), channels, kTinyVaeLatentChannels);
}

}  // namespace

int64_t TinyVaeConfig::factor() const {
  int64_t factor = 1;
  for (size_t i = 1; i + 1 < layers.size(); ++i) factor *= is_convolution(*this, i) ? 2 : 1;
  return factor;
}

TinyVaeConfig TinyVaeConfig::from(const Weights& weights) {
  TinyVaeConfig config;
  for (int64_t index = 0; index < kMaxLayers; ++index) {
    const Weights layer = weights / index;
    const bool is_block = layer.has("conv.0.weight");
    if (!is_block && !layer.has("weight")) continue;
    const std::string_view first = is_block ? "conv.0.weight" : "weight";
    const int64_t c_in = config.layers.empty() ? read_size(layer, first, 4, 1) : config.layers.back().c_out;
    config.layers.push_back(
        {.index = index, .is_block = is_block, .c_in = c_in, .c_out = read_size(layer, first, 4, 0)});
  }
  if (config.layers.size() >= 2 && is_convolution(config, 0) && is_convolution(config, config.layers.size() - 1)) {
    return config;
  }
  throw Error(ErrorCode::bad_checkpoint, "{}: {} layers of a tiny VAE, expected convolutions as the first and the last",
              weights.path(), config.layers.size());
}

TinyVaeBlock::TinyVaeBlock(const Weights& weights, int64_t c_in, int64_t c_out, PaddingMode padding)
    : conv1_(weights / "conv.0", c_in, c_out, window_3x3(padding)),
      conv2_(weights / "conv.2", c_out, c_out, window_3x3(padding)),
      conv3_(weights / "conv.4", c_out, c_out, window_3x3(padding)) {
  if (c_in != c_out) skip_.emplace(weights / "skip", c_in, c_out, Bias::no);
}

Tensor TinyVaeBlock::operator()(const Tensor& x) const {
  const Tensor h = conv2_(conv1_(x, {.activation = Activation::relu}), {.activation = Activation::relu});
  return ops::activate(conv3_(h, {.residual = skip_ ? (*skip_)(x) : x}), Activation::relu);
}

TinyVaeDecoder::TinyVaeDecoder(const Weights& weights, const TinyVaeConfig& config)
    : config_(config),
      stages_(make_stages(weights, config, /*stride=*/1)),
      conv_out_(last_convolution(weights, config, kImageChannels)) {}

Tensor TinyVaeDecoder::operator()(const Tensor& latent) const {
  Tensor h = soft_limited(latent);
  for (const TinyVaeStage& stage : stages_) {
    const bool is_first = &stage == &stages_.front();
    h = is_first ? stage.conv(h, {.activation = Activation::relu}) : stage.conv(ops::upsample_nearest_2x(h));
    for (const TinyVaeBlock& block : stage.blocks) h = block(h);
  }
  h = conv_out_(h);
  return ops::combine({{2.0f, &h}}, -1.0f);  // from [0, 1]
}

TinyVaeEncoder::TinyVaeEncoder(const Weights& weights, const TinyVaeConfig& config)
    : config_(config),
      stages_(make_stages(weights, config, /*stride=*/2)),
      conv_out_(last_convolution(weights, config, kTinyVaeLatentChannels)) {}

Tensor TinyVaeEncoder::operator()(const Tensor& image) const {
  Tensor h = ops::combine({{0.5f, &image}}, 0.5f);  // to [0, 1]
  for (const TinyVaeStage& stage : stages_) {
    h = stage.conv(h);
    for (const TinyVaeBlock& block : stage.blocks) h = block(h);
  }
  return conv_out_(h);
}

std::optional<TinyVae> TinyVae::of(const std::shared_ptr<const Checkpoint>& checkpoint, Residency residency,
                                   PaddingMode padding) {
  const auto layout = tiny_vae_layout(*checkpoint);
  if (!layout) return std::nullopt;
  const Weights weights(checkpoint, residency);
  TinyVae vae;
  const auto config_at = [&](const std::string& path) {
    TinyVaeConfig config = TinyVaeConfig::from(weights / path);
    config.padding = padding;
    return config;
  };
  if (layout->decoder) {
    const TinyVaeConfig config = config_at(*layout->decoder);
    require_latents(*checkpoint, config.layers.front().c_in);
    vae.decoder_.emplace(weights / *layout->decoder, config);
  }
  if (layout->encoder) {
    const TinyVaeConfig config = config_at(*layout->encoder);
    require_images(*checkpoint, config.layers.front().c_in);
    require_latents(*checkpoint, config.layers.back().c_out);
    vae.encoder_.emplace(weights / *layout->encoder, config);
  }
  weights.require_complete();
  return vae;
}

}  // namespace easel
