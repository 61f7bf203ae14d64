#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/int8_weight.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "easel/backend/backend.h"
#include "easel/backend/cpu/int8_dot.h"
#include "easel/backend/cpu/int8_weight.h"
#include "easel/backend/cpu/parallel.h"
#include "easel/backend/cpu/plain_weight.h"
// Per-target code.
#include "easel/backend/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

struct Range {
  float low, high;  // with zero between them
  bool finite;
};

HWY_INLINE Range RangeOf(const float* x, size_t count) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto largest = hn::Set(d, std::numeric_limits<float>::max());
  auto low = hn::Zero(d);
  auto high = hn::Zero(d);
  auto bad = hn::Zero(d);  // all bits set where a number is not finite
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    low = hn::Min(low, v);
    high = hn::Max(high, v);
    bad = hn::Or(bad, hn::VecFromMask(d, hn::Not(hn::Le(hn::Abs(v), largest))));
  }
  const hn::RebindToUnsigned<decltype(d)> du;
  const bool finite = hn::AllTrue(du, hn::Eq(hn::BitCast(du, bad), hn::Zero(du)));
  Range range{hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high)), finite};
  for (; i < count; ++i) {
    range.low = std::min(range.low, x[i]);
    range.high = std::max(range.high, x[i]);
    range.finite = range.finite && std::abs(x[i]) <= std::numeric_limits<float>::max();
  }
  return range;
}

float LargestOf(const float* x, size_t count) {
  const Range range = RangeOf(x, count);
  return range.finite ? std::max(-range.low, range.high) : std::numeric_limits<float>::quiet_NaN();
}

Int8Row QuantizeRow(const float* x, size_t depth, size_t padded, uint8_t* q) {
  const Range range = RangeOf(x, depth);
  const float width = range.high - range.low;
  const bool is_usual =
      range.finite && width > 255.0f * std::numeric_limits<float>::min() && width <= std::numeric_limits<float>::max();
  if (!is_usual) {  // nothing but zeros, or not finite
    std::fill_n(q, padded, uint8_t{0});
    const bool is_zero = range.finite && width <= std::numeric_limits<float>::max();
    return {is_zero ? 0.0f : std::numeric_limits<float>::quiet_NaN(), 0};
  }
  const float inverse = 255.0f / width;
  const auto zero = static_cast<int32_t>(std::lrintf(-range.low * inverse));
  ForEachVector(depth, [&](auto d, size_t i) {
    const hn::RebindToSigned<decltype(d)> di;
    const hn::Rebind<uint8_t, decltype(d)> du8;
    const auto v = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, inverse)));
    hn::StoreU(hn::DemoteTo(du8, hn::Add(v, hn::Set(di, zero))), du8, q + i);
  });
  std::fill(q + depth, q + padded, uint8_t{0});
  return {width / 255.0f, zero};
}

// out = w * factor, rounded
void QuantizeWeights(const float* w, size_t count, float factor, int8_t* out) {
  ForEachVector(count, [&](auto d, size_t i) {
    const hn::Rebind<int8_t, decltype(d)> di8;
    hn::StoreU(hn::DemoteTo(di8, hn::NearestInt(hn::Mul(hn::LoadU(d, w + i), hn::Set(d, factor)))), di8, out + i);
  });
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {
namespace {

HWY_EXPORT(LargestOf);
HWY_EXPORT(QuantizeRow);
HWY_EXPORT(QuantizeWeights);

constexpr float kLargestWeight = 127.0f;

}  // namespace

Int8Row quantize_row(const float* x, size_t depth, size_t padded, uint8_t* q) {
  return HWY_DYNAMIC_DISPATCH(QuantizeRow)(x, depth, padded, q);
}

Int8Weight::Int8Weight(const Parameter& weight, size_t parts, int threads, const Device& device)
    : channels_(static_cast<size_t>(weight.shape()[0]) / parts),
      padded_channels_(padded_to(channels_, kInt8Width)),
      taps_(weight.shape().rank() == 4 ? static_cast<size_t>(weight.shape()[2] * weight.shape()[3]) : 1),
      inputs_(static_cast<size_t>(weight.shape()[1])),
      depth_(padded_to(inputs_, kInt8Group)),
      integers_(Tensor::empty(device, {static_cast<int64_t>(parts * taps_ * padded_channels_ * depth_)}, DType::i8)),
      scales_(Tensor::zeros(device, {static_cast<int64_t>(parts * padded_channels_)})),
      sums_(Tensor::empty(device, {static_cast<int64_t>(parts * taps_ * padded_channels_)}, DType::i32)) {
  std::ranges::fill(sums_.data<int32_t>(), 0);
  const size_t panel_bytes = taps_ * depth_ * kInt8Width;
  parallel_items(threads, static_cast<int64_t>(parts * panels()), [&](int64_t item, int) {
    const size_t part = static_cast<size_t>(item) / panels();
    const size_t first = static_cast<size_t>(item) % panels() * kInt8Width;
    std::fill_n(integers_.data<int8_t>().data() + static_cast<size_t>(item) * panel_bytes, panel_bytes, int8_t{0});
    std::vector<float> values(2 * inputs_ * taps_);
    std::vector<int8_t> integers(taps_ * depth_);
    for (size_t channel = first; channel < std::min(first + kInt8Width, channels_); ++channel) {
      pack_channel(weight, part, channel, values.data(), integers.data());
    }
  });
}

// values: scratch of 2 [inputs, taps]; integers: scratch of [taps, depth], zero where it is padded
void Int8Weight::pack_channel(const Parameter& weight, size_t part, size_t channel, float* values, int8_t* integers) {
  const size_t row_bytes = weight.bytes().size() / static_cast<size_t>(weight.shape()[0]);
  const size_t count = inputs_ * taps_;
  convert_to_f32(weight.dtype(), weight.bytes().subspan((part * channels_ + channel) * row_bytes, row_bytes),
                 {values, count});
  const float largest = HWY_DYNAMIC_DISPATCH(LargestOf)(values, count);
  const size_t at = part * padded_channels_ + channel;
  scales_.data()[at] = largest / kLargestWeight;
  if (!(largest > kLargestWeight * std::numeric_limits<float>::min())) return;  // zeros; or NaN, which the scale keeps
  const float factor = kLargestWeight / largest;
  const float* by_tap = values;
  if (taps_ > 1) {
    for (size_t tap = 0; tap < taps_; ++tap) {
      for (size_t i = 0; i < inputs_; ++i) values[count + tap * inputs_ + i] = values[i * taps_ + tap];
    }
    by_tap = values + count;
  }
  int8_t* const to = integers_.data<int8_t>().data() +
                     (part * panels() + channel / kInt8Width) * taps_ * depth_ * kInt8Width +
                     channel % kInt8Width * kInt8Group;
  for (size_t tap = 0; tap < taps_; ++tap) {
    int8_t* const row = integers + tap * depth_;
    HWY_DYNAMIC_DISPATCH(QuantizeWeights)(by_tap + tap * inputs_, inputs_, factor, row);
    sums_.data<int32_t>()[(part * taps_ + tap) * padded_channels_ + channel] = std::accumulate(row, row + inputs_, 0);
    for (size_t k = 0; k < depth_; k += kInt8Group) {
      std::memcpy(to + (tap * depth_ + k) * kInt8Width, row + k, kInt8Group);
    }
  }
}

const int8_t* Int8Weight::panel(size_t part, size_t panel, size_t tap) const {
  return integers_.data<int8_t>().data() + ((part * panels() + panel) * taps_ + tap) * depth_ * kInt8Width;
}

const float* Int8Weight::scales(size_t part) const { return scales_.data().data() + part * padded_channels_; }

const int32_t* Int8Weight::sums(size_t part, size_t tap) const {
  return sums_.data<int32_t>().data() + (part * taps_ + tap) * padded_channels_;
}

std::shared_ptr<const Int8Weight> int8_weight(const Parameter& weight, size_t parts, int threads,
                                              const Device& device) {
  const int layout = kInt8Layout - static_cast<int>(parts);
  return std::static_pointer_cast<const Int8Weight>(
      weight.packed(layout, [&] { return std::make_shared<const Int8Weight>(weight, parts, threads, device); }));
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
