// TinyVae: the autoencoder TAESD (Boer Bohan 2023), distilled from a Stable Diffusion VAE: a twentieth of its work and
// a little of its detail. It takes latents as the UNet gives them, already scaled.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "easel/nn/conv2d.h"
#include "easel/nn/linear.h"

namespace easel {

inline constexpr int64_t kTinyVaeLatentChannels = 4;  // of SD 1 and SD 2

// The layers of one half as its file counts them; those without weights leave gaps.
struct TinyVaeConfig {
  struct Layer {
    int64_t index;
    bool is_block;  // else a 3x3 convolution
    int64_t c_in;
    int64_t c_out;
  };

  std::vector<Layer> layers;  // the first and the last one are convolutions
  PaddingMode padding = PaddingMode::zeros;

  // Pixels along each side of what one latent pixel stands for: every convolution in between halves or doubles.
  int64_t factor() const;

  // Reads the sizes off the weights, those of the layers ("decoder.layers"). Throws Error bad_checkpoint.
  static TinyVaeConfig from(const Weights& weights);
};

// Three convolutions around a shortcut.
class TinyVaeBlock {
 public:
  TinyVaeBlock(const Weights& weights, int64_t c_in, int64_t c_out, PaddingMode padding);
  // x [n, h, w, c_in] -> [n, h, w, c_out], no value below 0
  Tensor operator()(const Tensor& x) const;

 private:
  Conv2d conv1_;
  Conv2d conv2_;
  Conv2d conv3_;
  std::optional<Linear> skip_;  // where the channels change
};

// A stage of one size: a convolution that leads to it, then blocks.
struct TinyVaeStage {
  Conv2d conv;
  std::vector<TinyVaeBlock> blocks;
};

class TinyVaeDecoder {
 public:
  // Faults are noted: end with weights.require_complete().
  TinyVaeDecoder(const Weights& weights, const TinyVaeConfig& config);

  const TinyVaeConfig& config() const { return config_; }
  // latent [n, h, w, 4], scaled -> [n, factor h, factor w, 3], nominally in [-1, 1]
  Tensor operator()(const Tensor& latent) const;

 private:
  TinyVaeConfig config_;
  std::vector<TinyVaeStage> stages_;
  Conv2d conv_out_;
};

class TinyVaeEncoder {
 public:
  TinyVaeEncoder(const Weights& weights, const TinyVaeConfig& config);

  const TinyVaeConfig& config() const { return config_; }
  // image [n, height, width, 3] in [-1, 1], sides multiples of the factor -> [n, height / factor, width / factor, 4],
  // scaled
  Tensor operator()(const Tensor& image) const;

 private:
  TinyVaeConfig config_;
  std::vector<TinyVaeStage> stages_;
  Conv2d conv_out_;
};

// The halves that a file has.
class TinyVae {
 public:
  // Nothing if `checkpoint` is no tiny VAE. Throws Error bad_checkpoint if it is one of other latents, or incomplete.
  static std::optional<TinyVae> of(const std::shared_ptr<const Checkpoint>& checkpoint, Residency residency,
                                   PaddingMode padding = PaddingMode::zeros);

  const std::optional<TinyVaeDecoder>& decoder() const { return decoder_; }
  const std::optional<TinyVaeEncoder>& encoder() const { return encoder_; }

 private:
  TinyVae() = default;

  std::optional<TinyVaeDecoder> decoder_;
  std::optional<TinyVaeEncoder> encoder_;
};

}  // namespace easel
