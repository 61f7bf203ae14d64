// Operations on tensors: free functions that check shapes and call the backend of the tensor's device.
//
// Activations are f32 and channels-last: images [n, h, w, c], sequences [n, t, d]. A shape that does not fit is our own
// bug (checkpoints and requests are checked before) and ends the program with the two shapes.
#pragma once

#include <cstdint>
#include <optional>

#include "easel/backend/backend.h"
#include "easel/tensor/parameter.h"
#include "easel/tensor/tensor.h"

namespace easel::ops {

// A place for results of the operations below, of the type that the device computes in; not initialised.
Tensor empty(const Device& device, const Shape& shape);

// x [n, h, w, c_in], weight [c_out, c_in, kh, kw], bias [c_out] -> [n, h', w', c_out]
Tensor conv2d(const Tensor& x, const Parameter& weight, const std::optional<Parameter>& bias,
              const Conv2dOptions& options = {});

// y = x W^T + b. x [..., d_in], weight [d_out, d_in] (or a 1x1 convolution's [d_out, d_in, 1, 1]) -> [..., d_out]
Tensor linear(const Tensor& x, const Parameter& weight, const std::optional<Parameter>& bias,
              const LinearOptions& options = {});

// [a, g] = x W^T + b, then a * gelu(g) (GEGLU: Shazeer 2020). x [..., d_in], weight [2 d_out, d_in] -> [..., d_out]
Tensor linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias);

// softmax(q k^T / sqrt(head_dim)) v per head. q [n, t, d], k and v [n, s, d], d = heads * head_dim -> [n, t, d]
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options);

// Group normalisation (Wu & He 2018) over [h, w, c / groups], then the activation. x [n, ..., c] -> same
Tensor group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation = Activation::none);

// What the normalisation has to know of one image whose rows come in bands, from the top.
struct ChannelSums {
  Tensor pivot;  // [c]: the first pixel, so that a large mean costs no precision
  Tensor sums;   // [2, c] f64: of (x - pivot) and (x - pivot)^2
  int64_t pixels;
};
// Of the first band, and with the next one. x [1, rows, w, c]. Where all bands but the last have a multiple of 64
// pixels, the bits are those of group_norm().
ChannelSums channel_sums(const Tensor& x);
void add_channel_sums_inplace(ChannelSums& sums, const Tensor& x);
// -> [2, c]: what to multiply each channel with, and what to add then
Tensor group_norm_scales(const ChannelSums& sums, const Parameter& weight, const Parameter& bias, int64_t groups,
                         float epsilon);
// activation(x * scales[0] + scales[1]) per channel. x [..., c] -> out, of the same shape
void scale_shift_into(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out);

// Layer normalisation over the last dimension. x [..., d] -> same
Tensor layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon = 1e-5f);

// Rows of `table` [rows, d]. ids [n, t] i32, each in [0, rows) -> [n, t, d]
Tensor embedding(const Tensor& ids, const Parameter& table);

Tensor activate(const Tensor& x, Activation activation);
inline Tensor silu(const Tensor& x) { return activate(x, Activation::silu); }

// x [n, h, w, c] -> [n, 2h, 2w, c]
Tensor upsample_nearest_2x(const Tensor& x);
void upsample_nearest_2x_into(const Tensor& x, Tensor& out);

// x -> out, of the same shape: a part of a larger tensor, or of another type
void copy_into(const Tensor& x, Tensor& out);

// Interpolated between the nearest 2x2 (bilinear) or 4x4 (bicubic) pixels, edge pixels repeated outwards; shrinking
// does not average over more. x [n, h, w, c] -> [n, rows, columns, c]
Tensor resize(const Tensor& x, int64_t rows, int64_t columns, const ResizeOptions& options = {});

// The largest value of each window, per channel; every window touches the image. x [n, h, w, c] -> [n, h', w', c]
Tensor max_pool(const Tensor& x, const PoolOptions& options);

// a [..., c_a], b [..., c_b] -> [..., c_a + c_b]
Tensor concat_channels(const Tensor& a, const Tensor& b);
// a [n_a, ...], b [n_b, ...] -> [n_a + n_b, ...]
Tensor concat_batch(const Tensor& a, const Tensor& b);

}  // namespace easel::ops
