// Products, convolutions and attention: what cuDNN and cuBLASLt compute.
#include "easel/backend/convolution_shapes.h"
#include "easel/backend/cuda/cuda_backend.h"
#include "easel/base/error.h"

namespace easel::cuda {

Tensor CudaBackend::as(const Tensor& x, DType type) const {
  if (x.dtype() == type && is_aligned(x)) return x;
  Tensor out = Tensor::empty(x.device(), x.shape(), type);
  convert(source(x), target(out), x.count(), stream());
  check_launch("convert numbers");
  return out;
}

void* CudaBackend::workspace(const Device& device) {
  if (!workspace_) workspace_ = Tensor::empty(device, {card::kWorkspaceBytes}, DType::u8);
  return workspace_->address();
}

Tensor CudaBackend::prepared(const Tensor& x, const Conv2dOptions& options, DType type, Padding& padding) const {
  Tensor h = as(x, type);
  padding = options.padding;
  if (card::pads_before(padding)) {
    Tensor padded = Tensor::empty(x.device(), padded_shape(x, padding), type);
    pad(source(h), image_shape(h), padding, target(padded), stream());
    check_launch("pad an image");
    padding = {};
    h = padded;
  }
  const int64_t c = h.dim(3);
  if (const int64_t c_in = card::whole_groups(c); c_in != c) {
    Tensor widened = Tensor::empty(x.device(), {h.dim(0), h.dim(1), h.dim(2), c_in}, type);
    set_channels(source(h), h.count() / c, c, c_in, target(widened), stream());
    check_launch("add channels");
    h = widened;
  }
  return h;
}

std::optional<Tensor> CudaBackend::summed_bias(const Parameter* bias, const Conv2dOptions& options, const Tensor& out) {
  const Device& device = out.device();
  const int64_t c = out.dim(3);
  if (!options.image_bias) {
    if (bias == nullptr) return std::nullopt;
    return uploader_.plain(*bias, DType::f32, device).reshape({1, c});
  }
  Tensor sum = as(*options.image_bias, DType::f32);
  if (bias == nullptr) return sum;
  const Tensor shift = uploader_.plain(*bias, DType::f32, device);
  Tensor both = Tensor::empty(device, sum.shape());
  add(source(sum), {.bias = source(shift)}, 1, sum.dim(0), c, target(both), stream());
  check_launch("add a bias");
  return both;
}

void CudaBackend::conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                         Tensor& out) {
  if (is_pointwise(weight, options) && !options.image_bias) {
    return linear(x, weight, bias, {.activation = options.activation, .residual = options.residual}, out);
  }
  context_->activate();
  if (out.count() == 0) return;
  const DType type = out.dtype();
  const int64_t c_out = weight.shape()[0];
  const int64_t c_made = card::whole_groups(c_out);
  Padding padding;
  const Tensor h = prepared(x, options, type, padding);
  const Tensor packed = uploader_.convolution(weight, c_made, h.dim(3), type, x.device());
  const std::optional<Tensor> shift = summed_bias(bias, options, out);
  if (c_made == c_out && is_aligned(out)) return convolve(h, packed, padding, shift, options, out);
  // With channels that nobody asked for, which are cut off again.
  Tensor made = Tensor::empty(x.device(), {out.dim(0), out.dim(1), out.dim(2), c_made}, type);
  convolve(h, packed, padding, std::nullopt, {.stride = options.stride, .padding = {}}, made);
  set_channels(source(made), made.count() / c_made, c_made, c_out, target(out), stream());
  Additions additions{.activation = options.activation};
  if (shift) (shift->dim(0) == 1 ? additions.bias : additions.image_bias) = source(*shift);
  if (options.residual) additions.residual = source(*options.residual);
  add(source(out), additions, out.dim(0), out.dim(1) * out.dim(2), c_out, target(out), stream());
  check_launch("finish a convolution");
}

// x and weight of whole groups of channels and of out's type.
void CudaBackend::convolve(const Tensor& x, const Tensor& weight, const Padding& padding,
                           const std::optional<Tensor>& bias, const Conv2dOptions& options, Tensor& out) {
  ConvolutionShape shape{.n = x.dim(0),
                         .h = x.dim(1),
                         .w = x.dim(2),
                         .c_in = x.dim(3),
                         .c_out = weight.dim(0),
                         .kernel_h = weight.dim(1),
                         .kernel_w = weight.dim(2),
                         .stride = options.stride,
                         .pad_h = padding.top,
                         .pad_w = padding.left,
                         .type = out.dtype(),
                         .allow_tf32 = allows_tf32()};
  EASEL_ASSERT(shape.out_h() == out.dim(1) && shape.out_w() == out.dim(2));
  ConvolutionData data{
      .x = x.address(), .weight = weight.address(), .bias = nullptr, .residual = nullptr, .out = out.address()};
  void* const scratch = workspace(x.device());
  ConvolutionShape fused = shape;
  fused.adds_bias = bias.has_value();
  fused.bias_per_image = bias && bias->dim(0) > 1;
  fused.activation = options.activation;
  fused.adds_residual = options.residual.has_value();
  std::optional<Tensor> residual;
  if (options.residual) residual = as(*options.residual, out.dtype());
  if (!fused.is_plain()) {
    if (const GraphPlan* plan = convolutions_.plan(*context_, fused, card::kWorkspaceBytes)) {
      if (bias) data.bias = bias->address();
      if (residual) data.residual = residual->address();
      return Convolutions::run(*context_, *plan, fused, data, scratch);
    }
  }
  const GraphPlan* const plan = convolutions_.plan(*context_, shape, card::kWorkspaceBytes);
  if (plan == nullptr) {
    throw Error(ErrorCode::device_failure,
                "cuDNN has no way to convolve {} with a {}x{} window and {} results in {}; take --precision full or "
                "--device cpu",
                x.shape(), shape.kernel_h, shape.kernel_w, shape.c_out, name_of(out.dtype()));
  }
  Convolutions::run(*context_, *plan, shape, data, scratch);
  if (fused.is_plain()) return;
  Additions additions{.activation = options.activation};
  if (bias) (fused.bias_per_image ? additions.image_bias : additions.bias) = source(*bias);
  if (residual) additions.residual = source(*residual);
  add(source(out), additions, out.dim(0), out.dim(1) * out.dim(2), out.dim(3), target(out), stream());
  check_launch("finish a convolution");
}

void CudaBackend::linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
                         Tensor& out) {
  context_->activate();
  if (out.count() == 0 || eight_bit_linear(x, weight, bias, options, out)) return;
  const DType type = out.dtype();
  const Device& device = x.device();
  const Tensor h = as(x, type);
  const Tensor packed = uploader_.plain(weight, type, device);
  std::optional<Tensor> shift;
  if (bias != nullptr) shift = uploader_.plain(*bias, type, device);
  const int64_t d_out = weight.shape()[0];
  const bool adds_residual = options.residual && options.activation == Activation::none;
  std::optional<Tensor> residual;
  if (options.residual) residual = as(*options.residual, type);
  products_.run(*context_,
                {.rows = out.count() / d_out,
                 .d_in = x.dim(-1),
                 .d_out = d_out,
                 .type = type,
                 .allow_tf32 = allows_tf32(),
                 .x = h.address(),
                 .weight = packed.address(),
                 .bias = shift ? shift->address() : nullptr,
                 .residual = adds_residual ? residual->address() : nullptr,
                 .out = out.address()},
                workspace(device), card::kWorkspaceBytes);
  activate_product(options.activation, residual, d_out, out);
}

void CudaBackend::activate_product(Activation activation, const std::optional<Tensor>& residual, int64_t d_out,
                                   Tensor& out) {
  if (activation == Activation::none) return;
  Additions additions{.activation = activation};
  if (residual) additions.residual = source(*residual);
  add(source(out), additions, 1, out.count() / d_out, d_out, target(out), stream());
  check_launch("finish a product");
}

void CudaBackend::linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) {
  context_->activate();
  if (out.count() == 0 || eight_bit_geglu(x, weight, bias, out)) return;
  const int64_t width = weight.shape()[0] / 2;
  const int64_t rows = out.count() / width;
  Tensor both = Tensor::empty(x.device(), {rows, 2 * width}, out.dtype());
  linear(x, weight, &bias, {}, both);
  geglu(source(both), rows, width, target(out), stream());
  check_launch("gate a product");
}

void CudaBackend::attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                            Tensor& out) {
  context_->activate();
  if (out.count() == 0) return;
  const DType type = out.dtype();
  const Tensor queries = as(q, type);
  const Tensor keys = as(k, type);
  const Tensor values = as(v, type);
  const AttentionSizes sizes{.n = q.dim(0),
                             .queries = q.dim(1),
                             .keys = k.dim(1),
                             .heads = options.heads,
                             .head_dim = q.dim(2) / options.heads};
  if (!options.causal && is_aligned(out) &&
      attention_.run(*context_, sizes, source(queries), source(keys), source(values), target(out),
                     workspace(q.device()), card::kWorkspaceBytes)) {
    return;
  }
  if (tensor_attention_applies(type, sizes.head_dim, context_->compute_capability()) && is_aligned(out)) {
    tensor_attention(source(queries), source(keys), source(values), sizes, options.causal, target(out), stream());
    return check_launch("attend");
  }
  cuda::attention(source(queries), source(keys), source(values), sizes, options.causal, target(out), stream());
  check_launch("attend");
}

}  // namespace easel::cuda
