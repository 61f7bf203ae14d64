#include "easel/vae/vae_blocks.h"

#include <algorithm>

namespace easel {

VaeResBlock::VaeResBlock(const Weights& weights, int64_t c_in, int64_t c_out, PaddingMode padding)
    : norm1_(weights / "norm1", c_in, kVaeEpsilon),
      conv1_(weights / "conv1", c_in, c_out, window_3x3(padding)),
      norm2_(weights / "norm2", c_out, kVaeEpsilon),
      conv2_(weights / "conv2", c_out, c_out, window_3x3(padding)) {
  if (c_in != c_out) shortcut_.emplace(weights / "nin_shortcut", c_in, c_out);
}

Tensor VaeResBlock::operator()(const Tensor& x) const {
  const Tensor h = conv1_(norm1_(x, Activation::silu));  // [n, h, w, c_out]
  return conv2_(norm2_(h, Activation::silu), {.residual = shortcut_ ? (*shortcut_)(x) : x});
}

SummedTensor VaeResBlock::in_bands(Bands& x, const ops::ChannelSums& sums, const std::optional<Tensor>& storage) const {
  EASEL_ASSERT(!storage || !shortcut_);
  ConvolvedBands hidden(normalised(x, norm1_.scales(sums)), conv1_);
  const auto residual = [&](int64_t band) { return shortcut_ ? (*shortcut_)(x.at(band)) : x.at(band); };
  if (storage) {
    const Tensor scales = norm2_.scales(sums_of(hidden));
    ConvolvedBands out(normalised(hidden, scales), conv2_, residual);
    return stored_over(out, *storage);
  }
  const SummedTensor h = stored(hidden);  // [1, h, w, c_out]
  StoredBands stored_hidden(h.tensor, x.rows());
  ConvolvedBands out(normalised(stored_hidden, norm2_.scales(h.sums)), conv2_, residual);
  return stored_over(out, h.tensor);
}

void BandedImage::hold(SummedTensor result) {
  image_ = std::move(result.tensor);
  sums_ = std::move(result.sums);
}

void BandedImage::apply(const VaeResBlock& block) {
  const int64_t rows = band_rows(image_.dim(2) * (enlarged_by_ == nullptr ? 1 : 2));
  if (enlarged_by_ != nullptr) {
    StoredBands small(image_, rows / 2);
    ConvolvedBands x(enlarged_2x(small), *enlarged_by_);
    enlarged_by_ = nullptr;
    return hold(block.in_bands(x, sums_of(x), std::nullopt));
  }
  StoredBands x(image_, rows);
  const bool in_place = !block.changes_channels() && is_too_much(2 * image_.count());
  hold(block.in_bands(x, sums_ ? *sums_ : sums_of(x), in_place ? std::optional(image_) : std::nullopt));
}

void BandedImage::apply(const Conv2d& conv) {
  StoredBands x(image_, band_rows(image_.dim(2)));
  ConvolvedBands out(unchanged(x), conv);
  hold(stored(out));
}

void BandedImage::apply_enlarged(const Conv2d& conv, int64_t next_channels) {
  const int64_t pixels = 4 * image_.dim(1) * image_.dim(2);
  if (is_too_much(pixels * conv.c_out() + std::max(image_.count(), pixels * next_channels))) {
    enlarged_by_ = &conv;
    return;
  }
  StoredBands x(image_, band_rows(2 * image_.dim(2)) / 2);
  ConvolvedBands out(enlarged_2x(x), conv);
  hold(stored(out));
}

Tensor BandedImage::finish(const GroupNorm& norm, const Conv2d& conv) {
  StoredBands x(image_, band_rows(image_.dim(2)));
  ConvolvedBands out(normalised(x, norm.scales(sums_ ? *sums_ : sums_of(x))), conv);
  return stored(out).tensor;
}

VaeAttention::VaeAttention(const Weights& weights, int64_t channels)
    : norm_(weights / "norm", channels, kVaeEpsilon),
      q_(weights / "q", channels, channels),
      k_(weights / "k", channels, channels),
      v_(weights / "v", channels, channels),
      proj_out_(weights / "proj_out", channels, channels) {}

Tensor VaeAttention::operator()(const Tensor& x) const {
  const Tensor tokens = norm_(x).reshape({x.dim(0), x.dim(1) * x.dim(2), x.dim(3)});  // [n, h w, channels]
  const Tensor seen = ops::attention(q_(tokens), k_(tokens), v_(tokens), {.heads = 1});
  return proj_out_(seen.reshape(x.shape()), {.residual = x});
}

VaeMiddle::VaeMiddle(const Weights& weights, int64_t channels, PaddingMode padding)
    : block1_(weights / "block_1", channels, channels, padding),
      attention_(weights / "attn_1", channels),
      block2_(weights / "block_2", channels, channels, padding) {}

Tensor VaeMiddle::operator()(const Tensor& x, std::string_view path, const BlockObserver& observe) const {
  Tensor h = observed(observe, block1_(x), "{}.block_1", path);
  h = observed(observe, attention_(h), "{}.attn_1", path);
  return observed(observe, block2_(h), "{}.block_2", path);
}

}  // namespace easel
