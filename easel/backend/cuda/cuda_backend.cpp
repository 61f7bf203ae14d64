#include "easel/backend/cuda/cuda_backend.h"

#include <vector>

#include "easel/base/error.h"

namespace easel::cuda {
namespace {

Tensor scratch(const Device& device, int64_t bytes) { return Tensor::empty(device, {bytes}, DType::u8); }

}  // namespace

void CudaBackend::group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups,
                             float epsilon, Activation activation, Tensor& out) {
  context_->activate();
  if (out.count() == 0) return;
  const Device& device = x.device();
  const int64_t n = x.dim(0);
  const int64_t c = x.dim(-1);
  const int64_t pixels = x.count() / (n * c);
  const Tensor from = as(x, out.dtype());
  const Tensor scale = uploader_.plain(weight, DType::f32, device);
  const Tensor shift = uploader_.plain(bias, DType::f32, device);
  if (c > kMaxGroupNormChannels) {
    throw Error(ErrorCode::device_failure, "a group norm has {} channels, on a card {} at most; take --device cpu", c,
                kMaxGroupNormChannels);
  }
  const Tensor parts = scratch(device, group_norm_scratch_bytes(n, pixels, groups));
  cuda::group_norm(source(from), {.weight = source(scale), .bias = source(shift)}, n, pixels, c, groups, epsilon,
                   activation, target(out), parts.address(), stream());
  check_launch("normalise groups");
}

void CudaBackend::channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) {
  context_->activate();
  const int64_t c = x.dim(-1);
  const int64_t pixels = x.count() / c;
  const Tensor parts = scratch(x.device(), channel_sums_scratch_bytes(pixels, c));
  cuda::channel_sums(source(x), source(pivot), pixels, c,
                     before != nullptr ? reinterpret_cast<const double*>(before->address()) : nullptr,
                     reinterpret_cast<double*>(sums.address()), parts.address(), stream());
  check_launch("sum channels");
}

void CudaBackend::group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                                    const Parameter& bias, int64_t groups, float epsilon, Tensor& out) {
  context_->activate();
  const Tensor scale = uploader_.plain(weight, DType::f32, out.device());
  const Tensor shift = uploader_.plain(bias, DType::f32, out.device());
  // Its kernel writes f32, whatever networks' results are of.
  Tensor scales = out.dtype() == DType::f32 ? out : Tensor::empty(out.device(), out.shape());
  cuda::group_norm_scales(reinterpret_cast<const double*>(sums.address()), source(pivot), pixels,
                          {.weight = source(scale), .bias = source(shift)}, out.dim(1), groups, epsilon,
                          reinterpret_cast<float*>(scales.address()), stream());
  check_launch("normalise groups");
  if (out.dtype() != DType::f32) copy(scales, out);
}

void CudaBackend::scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) {
  context_->activate();
  const int64_t c = x.dim(-1);
  const Tensor from = as(x, out.dtype());
  const Tensor factors = as(scales, DType::f32);
  cuda::scale_shift(source(from), reinterpret_cast<const float*>(factors.address()), x.count() / c, c, activation,
                    target(out), stream());
  check_launch("scale channels");
}

void CudaBackend::layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon,
                             Tensor& out) {
  context_->activate();
  const int64_t width = x.dim(-1);
  const Tensor from = as(x, out.dtype());
  const Tensor scale = uploader_.plain(weight, DType::f32, x.device());
  const Tensor shift = uploader_.plain(bias, DType::f32, x.device());
  cuda::layer_norm(source(from), {.weight = source(scale), .bias = source(shift)}, x.count() / width, width, epsilon,
                   target(out), stream());
  check_launch("normalise rows");
}

// Few rows are used, so they are read on the host and the table is never uploaded.
void CudaBackend::embedding(const Tensor& ids, const Parameter& table, Tensor& out) {
  const int64_t width = table.shape().dim(1);
  const auto row_bytes = static_cast<size_t>(bytes_of(table.dtype(), width));
  const std::vector<int32_t> tokens = ids.integers();
  std::vector<float> rows(tokens.size() * static_cast<size_t>(width));
  for (size_t i = 0; i < tokens.size(); ++i) {
    convert_to_f32(table.dtype(), table.bytes().subspan(static_cast<size_t>(tokens[i]) * row_bytes, row_bytes),
                   std::span(rows).subspan(i * static_cast<size_t>(width), static_cast<size_t>(width)));
  }
  table.finish_use();
  copy(Tensor::from(out.device(), out.shape(), std::span<const float>(rows)), out);
}

void CudaBackend::activate(const Tensor& x, Activation activation, Tensor& out) {
  context_->activate();
  cuda::activate(source(x), activation, target(out), x.count(), stream());
  check_launch("activate");
}

void CudaBackend::copy(const Tensor& x, Tensor& out) {
  context_->activate();
  convert(source(x), target(out), x.count(), stream());
  check_launch("copy");
}

void CudaBackend::upsample_nearest_2x(const Tensor& x, Tensor& out) {
  context_->activate();
  const Tensor from = as(x, out.dtype());
  cuda::upsample_nearest_2x(source(from), image_shape(from), target(out), stream());
  check_launch("enlarge an image");
}

void CudaBackend::resize(const Tensor& x, const ResizeOptions& options, Tensor& out) {
  context_->activate();
  const Tensor from = as(x, out.dtype());
  cuda::resize(source(from), image_shape(from), out.dim(1), out.dim(2), options, target(out), stream());
  check_launch("resize an image");
}

void CudaBackend::max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) {
  context_->activate();
  const Tensor from = as(x, out.dtype());
  cuda::max_pool(source(from), image_shape(from), out.dim(1), out.dim(2), options, target(out), stream());
  check_launch("pool an image");
}

void CudaBackend::concat_channels(const Tensor& a, const Tensor& b, Tensor& out) {
  context_->activate();
  const Tensor first = as(a, out.dtype());
  const Tensor second = as(b, out.dtype());
  const int64_t c_a = a.dim(-1);
  cuda::concat_channels(source(first), c_a, source(second), b.dim(-1), c_a == 0 ? 0 : a.count() / c_a, target(out),
                        stream());
  check_launch("join channels");
}

void CudaBackend::combine(std::span<const Term> terms, float constant, Tensor& out) {
  context_->activate();
  std::vector<Summand> summands;
  for (const Term& term : terms) summands.push_back({.factor = term.factor, .x = source(*term.tensor)});
  cuda::combine(summands, constant, target(out), out.count(), stream());
  check_launch("combine numbers");
}

void CudaBackend::multiply(const Tensor& a, const Tensor& b, Tensor& out) {
  context_->activate();
  cuda::multiply(source(a), source(b), target(out), out.count(), stream());
  check_launch("multiply numbers");
}

void CudaBackend::clamp(const Tensor& x, float low, float high, Tensor& out) {
  context_->activate();
  cuda::clamp(source(x), low, high, target(out), x.count(), stream());
  check_launch("limit numbers");
}

}  // namespace easel::cuda
