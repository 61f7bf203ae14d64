// Weights and activations as 8-bit integers. A weight has one scale per output channel; the activations have a scale
// and a zero point per row (a token, a pixel), found as they come: w ~ scale q, x ~ scale (q - zero).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "easel/backend/reduced_products.h"
#include "easel/tensor/parameter.h"
#include "easel/tensor/tensor.h"

namespace easel::cpu {

// How products with this weight are computed.
inline bool uses_int8(const ReducedProducts& reduced, const Parameter& weight) {
  return reduced.numbers == ReducedNumbers::int8 && reduced.apply_to(weight.name());
}

inline size_t padded_to(size_t count, size_t step) { return (count + step - 1) / step * step; }

// Panels as int8_dot.h wants them, one for each part, 32 channels of it and tap (position in a convolution's window).
class Int8Weight : public PackedWeight {
 public:
  // parts: 2 for GEGLU, whose outputs and gates are rows of the same weight.
  Int8Weight(const Parameter& weight, size_t parts, int threads, const Device& device);

  size_t part_channels() const { return channels_; }
  size_t panels() const { return padded_channels_ / 32; }                // of a part
  size_t depth() const { return depth_; }                                // padded to whole groups
  const int8_t* panel(size_t part, size_t panel, size_t tap = 0) const;  // [depth / 4, 32, 4]
  const float* scales(size_t part) const;                                // [padded channels]
  const int32_t* sums(size_t part, size_t tap = 0) const;  // of each channel's integers, [padded channels]

 private:
  void pack_channel(const Parameter& weight, size_t part, size_t channel, float* values, int8_t* integers);

  size_t channels_, padded_channels_;
  size_t taps_, inputs_, depth_;
  Tensor integers_;  // i8
  Tensor scales_;
  Tensor sums_;  // i32
};

// The packed form, kept by the parameter according to its residency.
std::shared_ptr<const Int8Weight> int8_weight(const Parameter& weight, size_t parts, int threads, const Device& device);

// A row of activations as integers.
struct Int8Row {
  float scale;  // NaN if the row holds numbers that are not finite: they are seen in the result
  int32_t zero;
};
// x [depth] -> q [padded]; what is padded is zero.
Int8Row quantize_row(const float* x, size_t depth, size_t padded, uint8_t* q);

}  // namespace easel::cpu
