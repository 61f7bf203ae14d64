// What the two halves of the VAE are built of (Rombach et al. 2022, appendix G; Esser et al. 2021).
#pragma once

#include <optional>
#include <string_view>

#include "easel/nn/block_observer.h"
#include "easel/nn/conv2d.h"
#include "easel/nn/linear.h"
#include "easel/nn/norm.h"
#include "easel/vae/bands.h"

namespace easel {

inline constexpr float kVaeEpsilon = 1e-6f;  // of every group normalisation

// Two convolutions around a shortcut.
class VaeResBlock {
 public:
  VaeResBlock(const Weights& weights, int64_t c_in, int64_t c_out, PaddingMode padding);
  // x [n, h, w, c_in] -> [n, h, w, c_out]
  Tensor operator()(const Tensor& x) const;

  // The same of x [1, h, w, c_in] in bands, whose sums are known. With `storage`, where x lies, the result takes x's
  // place and no other activation is held; the first convolution is computed twice then.
  SummedTensor in_bands(Bands& x, const ops::ChannelSums& sums, const std::optional<Tensor>& storage) const;
  bool changes_channels() const { return shortcut_.has_value(); }

 private:
  GroupNorm norm1_;
  Conv2d conv1_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Linear> shortcut_;  // where the channels change
};

// One image [1, h, w, c] on its way through the blocks in bands.
class BandedImage {
 public:
  // bands: not `none`. floats_anyway: what the finest level takes of activations in any case: `recomputed` holds as
  // much at the other levels too, before it computes anything twice.
  BandedImage(Tensor image, VaeBands bands, int64_t floats_anyway)
      : image_(std::move(image)), recomputed_(bands == VaeBands::recomputed), floats_anyway_(floats_anyway) {}

  void apply(const VaeResBlock& block);
  void apply(const Conv2d& conv);  // as it is; stride 2 makes it smaller
  // After a nearest enlargement to twice the size; before a block that gives so many channels.
  void apply_enlarged(const Conv2d& conv, int64_t next_channels);
  Tensor finish(const GroupNorm& norm, const Conv2d& conv);  // normalised, silu, convolved

  const Tensor& image() const { return image_; }  // of what was applied, without a convolution that is recomputed

 private:
  void hold(SummedTensor result);
  bool is_too_much(int64_t floats) const { return recomputed_ && floats > floats_anyway_; }

  Tensor image_;
  std::optional<ops::ChannelSums> sums_;
  const Conv2d* enlarged_by_ = nullptr;  // computed at each use
  bool recomputed_;
  int64_t floats_anyway_;
};

// Self-attention of the pixels with a single head, and a shortcut.
class VaeAttention {
 public:
  VaeAttention(const Weights& weights, int64_t channels);
  // x [n, h, w, channels] -> same
  Tensor operator()(const Tensor& x) const;

 private:
  GroupNorm norm_;
  Linear q_;
  Linear k_;
  Linear v_;
  Linear proj_out_;
};

// The blocks at the lowest resolution: "decoder.mid" and "encoder.mid".
class VaeMiddle {
 public:
  VaeMiddle(const Weights& weights, int64_t channels, PaddingMode padding);
  // x [n, h, w, channels] -> same. `path` ("decoder.mid") is told to the observer.
  Tensor operator()(const Tensor& x, std::string_view path, const BlockObserver& observe) const;

 private:
  VaeResBlock block1_;
  VaeAttention attention_;
  VaeResBlock block2_;
};

}  // namespace easel
