#include "easel/ops/ops.h"

#include <algorithm>
#include <vector>

#include "easel/base/error.h"
#include "easel/ops/arithmetic.h"

namespace easel::ops {
namespace {

// `shape` with its last dimension replaced.
Shape with_last(const Shape& shape, int64_t last) {
  std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  dims.back() = last;
  return Shape(dims);
}

// A network's result.
Tensor result(const Device& device, const Shape& shape) {
  return Tensor::empty(device, shape, device.backend().activation_type());
}

// What is only moved keeps its type.
Tensor moved(const Tensor& x, const Shape& shape) { return Tensor::empty(x.device(), shape, x.dtype()); }

bool is_activation(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

const Parameter* pointer(const std::optional<Parameter>& parameter) { return parameter ? &*parameter : nullptr; }

void check_vector(const Parameter& parameter, int64_t size) { EASEL_ASSERT(parameter.shape() == Shape({size})); }
void check_vector_size(const Tensor& tensor, int64_t size) { EASEL_ASSERT(tensor.shape() == Shape({size})); }

int64_t output_size(int64_t in, int64_t pad_before, int64_t pad_after, int64_t kernel, int64_t stride) {
  return (in + pad_before + pad_after - kernel) / stride + 1;
}

void check_linear_weight(const Tensor& x, const Parameter& weight) {
  EASEL_ASSERT(is_activation(x.dtype()) && weight.shape().rank() >= 2);
  EASEL_ASSERT(weight.shape().count() == weight.shape().dim(0) * x.dim(-1) && weight.shape().dim(1) == x.dim(-1));
}

}  // namespace

Tensor empty(const Device& device, const Shape& shape) { return result(device, shape); }

Tensor conv2d(const Tensor& x, const Parameter& weight, const std::optional<Parameter>& bias,
              const Conv2dOptions& options) {
  EASEL_ASSERT(x.shape().rank() == 4 && weight.shape().rank() == 4 && weight.shape().dim(1) == x.dim(3));
  const int64_t c_out = weight.shape().dim(0);
  const Padding& padding = options.padding;
  const Shape out_shape{
      x.dim(0), output_size(x.dim(1), padding.top, padding.bottom, weight.shape().dim(2), options.stride),
      output_size(x.dim(2), padding.left, padding.right, weight.shape().dim(3), options.stride), c_out};
  if (bias) check_vector(*bias, c_out);
  if (options.image_bias) EASEL_ASSERT(options.image_bias->shape() == Shape({x.dim(0), c_out}));
  if (options.residual) EASEL_ASSERT(options.residual->shape() == out_shape);
  Tensor out = result(x.device(), out_shape);
  x.device().backend().conv2d(x, weight, pointer(bias), options, out);
  return out;
}

Tensor linear(const Tensor& x, const Parameter& weight, const std::optional<Parameter>& bias,
              const LinearOptions& options) {
  check_linear_weight(x, weight);
  const int64_t d_out = weight.shape().dim(0);
  const Shape out_shape = with_last(x.shape(), d_out);
  if (bias) check_vector(*bias, d_out);
  if (options.residual) EASEL_ASSERT(options.residual->count() == out_shape.count());
  Tensor out = result(x.device(), out_shape);
  x.device().backend().linear(x, weight, pointer(bias), options, out);
  return out;
}

Tensor linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias) {
  check_linear_weight(x, weight);
  const int64_t d_both = weight.shape().dim(0);
  EASEL_ASSERT(d_both % 2 == 0);
  check_vector(bias, d_both);
  Tensor out = result(x.device(), with_last(x.shape(), d_both / 2));
  x.device().backend().linear_geglu(x, weight, bias, out);
  return out;
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  EASEL_ASSERT(q.shape().rank() == 3 && k.shape() == v.shape() && k.shape().rank() == 3);
  EASEL_ASSERT(q.dim(0) == k.dim(0) && q.dim(2) == k.dim(2) && q.dim(2) % options.heads == 0);
  EASEL_ASSERT(!options.causal || q.dim(1) == k.dim(1));
  Tensor out = result(q.device(), q.shape());
  q.device().backend().attention(q, k, v, options, out);
  return out;
}

Tensor group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation) {
  EASEL_ASSERT(x.shape().rank() >= 2 && x.dim(-1) % groups == 0);
  check_vector(weight, x.dim(-1));
  check_vector(bias, x.dim(-1));
  Tensor out = result(x.device(), x.shape());
  x.device().backend().group_norm(x, weight, bias, groups, epsilon, activation, out);
  return out;
}

ChannelSums channel_sums(const Tensor& x) {
  EASEL_ASSERT(x.shape().rank() == 4 && x.dim(0) == 1 && x.count() > 0);
  const int64_t c = x.dim(3);
  ChannelSums sums{.pivot = Tensor::empty(x.device(), {c}),
                   .sums = Tensor::empty(x.device(), {2, c}, DType::f64),
                   .pixels = x.count() / c};
  copy_into(x.reshape({x.count() / c, c}).slice(0, 1).reshape({c}), sums.pivot);
  x.device().backend().channel_sums(x, sums.pivot, nullptr, sums.sums);
  return sums;
}

void add_channel_sums_inplace(ChannelSums& sums, const Tensor& x) {
  check_vector_size(sums.pivot, x.dim(-1));
  x.device().backend().channel_sums(x, sums.pivot, &sums.sums, sums.sums);
  sums.pixels += x.count() / x.dim(-1);
}

Tensor group_norm_scales(const ChannelSums& sums, const Parameter& weight, const Parameter& bias, int64_t groups,
                         float epsilon) {
  const int64_t c = sums.pivot.dim(0);
  EASEL_ASSERT(c % groups == 0);
  check_vector(weight, c);
  check_vector(bias, c);
  Tensor out = Tensor::empty(sums.pivot.device(), {2, c});
  out.device().backend().group_norm_scales(sums.sums, sums.pivot, sums.pixels, weight, bias, groups, epsilon, out);
  return out;
}

void scale_shift_into(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) {
  EASEL_ASSERT(scales.shape() == Shape({2, x.dim(-1)}) && out.shape() == x.shape());
  x.device().backend().scale_shift(x, scales, activation, out);
}

Tensor layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon) {
  check_vector(weight, x.dim(-1));
  check_vector(bias, x.dim(-1));
  Tensor out = result(x.device(), x.shape());
  x.device().backend().layer_norm(x, weight, bias, epsilon, out);
  return out;
}

Tensor embedding(const Tensor& ids, const Parameter& table) {
  EASEL_ASSERT(ids.dtype() == DType::i32 && ids.shape().rank() == 2 && table.shape().rank() == 2);
  EASEL_ASSERT(std::ranges::all_of(ids.integers(), [&](int32_t id) { return id >= 0 && id < table.shape().dim(0); }));
  Tensor out = result(ids.device(), {ids.dim(0), ids.dim(1), table.shape().dim(1)});
  ids.device().backend().embedding(ids, table, out);
  return out;
}

Tensor activate(const Tensor& x, Activation activation) {
  Tensor out = result(x.device(), x.shape());
  x.device().backend().activate(x, activation, out);
  return out;
}

Tensor upsample_nearest_2x(const Tensor& x) {
  EASEL_ASSERT(x.shape().rank() == 4);
  Tensor out = moved(x, {x.dim(0), 2 * x.dim(1), 2 * x.dim(2), x.dim(3)});
  upsample_nearest_2x_into(x, out);
  return out;
}

void upsample_nearest_2x_into(const Tensor& x, Tensor& out) {
  EASEL_ASSERT(x.shape().rank() == 4 && out.shape() == Shape({x.dim(0), 2 * x.dim(1), 2 * x.dim(2), x.dim(3)}));
  x.device().backend().upsample_nearest_2x(x, out);
}

void copy_into(const Tensor& x, Tensor& out) {
  EASEL_ASSERT(x.shape() == out.shape() && is_activation(x.dtype()) && is_activation(out.dtype()));
  x.device().backend().copy(x, out);
}

Tensor resize(const Tensor& x, int64_t rows, int64_t columns, const ResizeOptions& options) {
  EASEL_ASSERT(x.shape().rank() == 4 && x.dim(1) > 0 && x.dim(2) > 0 && rows > 0 && columns > 0);
  Tensor out = moved(x, {x.dim(0), rows, columns, x.dim(3)});
  x.device().backend().resize(x, options, out);
  return out;
}

Tensor max_pool(const Tensor& x, const PoolOptions& options) {
  EASEL_ASSERT(x.shape().rank() == 4);
  const auto& [kernel, stride, padding] = options;
  EASEL_ASSERT(std::max({padding.top, padding.bottom, padding.left, padding.right}) < kernel);
  const int64_t rows = output_size(x.dim(1), padding.top, padding.bottom, kernel, stride);
  const int64_t columns = output_size(x.dim(2), padding.left, padding.right, kernel, stride);
  Tensor out = moved(x, {x.dim(0), rows, columns, x.dim(3)});
  x.device().backend().max_pool(x, options, out);
  return out;
}

Tensor concat_channels(const Tensor& a, const Tensor& b) {
  EASEL_ASSERT(with_last(a.shape(), 1) == with_last(b.shape(), 1));
  const Shape shape = with_last(a.shape(), a.dim(-1) + b.dim(-1));
  Tensor out = a.dtype() == b.dtype() ? moved(a, shape) : result(a.device(), shape);
  a.device().backend().concat_channels(a, b, out);
  return out;
}

Tensor concat_batch(const Tensor& a, const Tensor& b) {
  EASEL_ASSERT(a.shape().rank() == b.shape().rank() && a.shape().rank() > 0);
  // Images lie one after the other, so joining them is joining two rows of numbers.
  std::vector<int64_t> dims(a.shape().dims().begin(), a.shape().dims().end());
  EASEL_ASSERT(std::equal(dims.begin() + 1, dims.end(), b.shape().dims().begin() + 1));
  dims[0] += b.dim(0);
  const Tensor joined = concat_channels(a.reshape({a.count()}), b.reshape({b.count()}));
  return joined.reshape(Shape(dims));
}

}  // namespace easel::ops

namespace easel {
namespace {

// Arithmetic is of f32 as soon as one operand is: latents and noise stay precise whatever a network computes in.
Tensor arithmetic_result(const Tensor& like, bool has_f32) {
  return Tensor::empty(like.device(), like.shape(), has_f32 ? DType::f32 : like.dtype());
}

Tensor combine_terms(std::span<const Term> terms, float constant) {
  const Tensor& first = *terms.front().tensor;
  bool has_f32 = false;
  for (const Term& term : terms) {
    EASEL_ASSERT(term.tensor->shape() == first.shape());
    has_f32 = has_f32 || term.tensor->dtype() == DType::f32;
  }
  Tensor out = arithmetic_result(first, has_f32);
  first.device().backend().combine(terms, constant, out);
  return out;
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) { return ops::combine({{1.0f, &a}, {1.0f, &b}}); }
Tensor operator-(const Tensor& a, const Tensor& b) { return ops::combine({{1.0f, &a}, {-1.0f, &b}}); }
Tensor operator+(const Tensor& x, float constant) { return ops::combine({{1.0f, &x}}, constant); }
Tensor operator*(const Tensor& x, float factor) { return ops::combine({{factor, &x}}); }
Tensor operator*(float factor, const Tensor& x) { return ops::combine({{factor, &x}}); }
Tensor operator/(const Tensor& x, float divisor) { return ops::combine({{1.0f / divisor, &x}}); }
Tensor operator-(const Tensor& x) { return ops::combine({{-1.0f, &x}}); }

Tensor operator*(const Tensor& a, const Tensor& b) {
  EASEL_ASSERT(a.shape() == b.shape());
  Tensor out = arithmetic_result(a, a.dtype() == DType::f32 || b.dtype() == DType::f32);
  a.device().backend().multiply(a, b, out);
  return out;
}

Tensor ops::combine(std::initializer_list<Term> terms, float constant) {
  return combine_terms({terms.begin(), terms.size()}, constant);
}

Tensor ops::clamp(const Tensor& x, float low, float high) {
  Tensor out = arithmetic_result(x, x.dtype() == DType::f32);
  x.device().backend().clamp(x, low, high, out);
  return out;
}

}  // namespace easel
