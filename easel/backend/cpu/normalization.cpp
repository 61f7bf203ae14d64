#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/normalization.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <cmath>

#include "easel/backend/cpu/kernels.h"
// Per-target code.
#include "easel/backend/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

void ChannelSums(const float* x, const float* pivot, size_t pixels, size_t channels, float* sum, float* square_sum) {
  ForEachVector(channels, [&](auto d, size_t i) {
    const auto origin = hn::LoadU(d, pivot + i);
    auto s = hn::Zero(d);
    auto s2 = hn::Zero(d);
    for (size_t pixel = 0; pixel < pixels; ++pixel) {
      const auto difference = hn::Sub(hn::LoadU(d, x + pixel * channels + i), origin);
      s = hn::Add(s, difference);
      s2 = hn::MulAdd(difference, difference, s2);
    }
    hn::StoreU(s, d, sum + i);
    hn::StoreU(s2, d, square_sum + i);
  });
}

void ScaleShift(const float* x, const float* scale, const float* shift, Activation activation, size_t pixels,
                size_t channels, float* out) {
  WithActivation(activation, [&](auto f) {
    for (size_t pixel = 0; pixel < pixels; ++pixel) {
      const float* from = x + pixel * channels;
      float* to = out + pixel * channels;
      ForEachVector(channels, [&](auto d, size_t i) {
        const auto y = hn::MulAdd(hn::LoadU(d, from + i), hn::LoadU(d, scale + i), hn::LoadU(d, shift + i));
        hn::StoreU(f(d, y), d, to + i);
      });
    }
  });
}

// Mean of x[0..width) and of (x - centre)^2.
template <class Map>
HWY_INLINE float MeanOf(const float* x, size_t width, const Map& map) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= width; i += lanes) sum = hn::Add(sum, map(d, hn::LoadU(d, x + i)));
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  const hn::CappedTag<float, 1> d1;
  for (; i < width; ++i) total += hn::GetLane(map(d1, hn::LoadU(d1, x + i)));
  return total / static_cast<float>(width);
}

void LayerNormRows(const float* x, const float* weight, const float* bias, float epsilon, size_t rows, size_t width,
                   float* out) {
  for (size_t row = 0; row < rows; ++row) {
    const float* from = x + row * width;
    float* to = out + row * width;
    const float mean = MeanOf(from, width, [](auto, auto v) { return v; });
    const float variance = MeanOf(from, width, [mean](auto d, auto v) {
      const auto difference = hn::Sub(v, hn::Set(d, mean));
      return hn::Mul(difference, difference);
    });
    const float inverse = 1.0f / std::sqrt(variance + epsilon);
    ForEachVector(width, [&](auto d, size_t i) {
      const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, from + i), hn::Set(d, mean)), hn::Set(d, inverse));
      hn::StoreU(hn::MulAdd(normal, hn::LoadU(d, weight + i), hn::LoadU(d, bias + i)), d, to + i);
    });
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {

HWY_EXPORT(ChannelSums);
HWY_EXPORT(ScaleShift);
HWY_EXPORT(LayerNormRows);

void channel_sums(const float* x, const float* pivot, size_t pixels, size_t channels, float* sum, float* square_sum) {
  HWY_DYNAMIC_DISPATCH(ChannelSums)(x, pivot, pixels, channels, sum, square_sum);
}
void scale_shift(const float* x, const float* scale, const float* shift, Activation activation, size_t pixels,
                 size_t channels, float* out) {
  HWY_DYNAMIC_DISPATCH(ScaleShift)(x, scale, shift, activation, pixels, channels, out);
}
void layer_norm_rows(const float* x, const float* weight, const float* bias, float epsilon, size_t rows, size_t width,
                     float* out) {
  HWY_DYNAMIC_DISPATCH(LayerNormRows)(x, weight, bias, epsilon, rows, width, out);
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
