// The CUDA backend: cuDNN for convolutions and attention, cuBLASLt for products, own kernels for the rest.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "easel/backend/backend.h"
#include "easel/backend/card_planning.h"
#include "easel/backend/cuda/attention.h"
#include "easel/backend/cuda/context.h"
#include "easel/backend/cuda/convolution.h"
#include "easel/backend/cuda/eight_bit_products.h"
#include "easel/backend/cuda/kernels/image_kernels.h"
#include "easel/backend/cuda/products.h"
#include "easel/backend/cuda/weights.h"

namespace easel::cuda {

class CudaBackend : public Backend {
 public:
  // activation_type: f32, f16 or bf16; reduced: as CardOptions has it
  CudaBackend(std::shared_ptr<const Context> context, DType activation_type, ReducedProducts reduced)
      : context_(context), uploader_(std::move(context)), type_(activation_type), reduced_(std::move(reduced)) {}
  // The libraries' plans and buffers are of this card, whichever the thread used last.
  ~CudaBackend() override { static_cast<void>(cudaSetDevice(context_->index())); }
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;

  DType activation_type() const override { return is_wide_ ? card::wide_type(type_) : type_; }
  void set_range(ValueRange range) override { is_wide_ = range == ValueRange::wide; }
  void wait() override { context_->wait(); }

  void conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
              Tensor& out) override;
  void linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out) override;
  void linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) override;
  void attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Tensor& out) override;
  void group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation, Tensor& out) override;
  void channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) override;
  void group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                         const Parameter& bias, int64_t groups, float epsilon, Tensor& out) override;
  void scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) override;
  void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon, Tensor& out) override;
  void embedding(const Tensor& ids, const Parameter& table, Tensor& out) override;
  void activate(const Tensor& x, Activation activation, Tensor& out) override;
  void copy(const Tensor& x, Tensor& out) override;
  void upsample_nearest_2x(const Tensor& x, Tensor& out) override;
  void resize(const Tensor& x, const ResizeOptions& options, Tensor& out) override;
  void max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) override;
  void concat_channels(const Tensor& a, const Tensor& b, Tensor& out) override;
  void combine(std::span<const Term> terms, float constant, Tensor& out) override;
  void multiply(const Tensor& a, const Tensor& b, Tensor& out) override;
  void clamp(const Tensor& x, float low, float high, Tensor& out) override;

 private:
  bool allows_tf32() const { return type_ != DType::f32; }
  cudaStream_t stream() const { return context_->stream(); }
  // x in this type, where the libraries can read it; x itself if it is so already.
  Tensor as(const Tensor& x, DType type) const;
  void* workspace(const Device& device);

  // x [n, h, w, c] as the convolution's library takes it: of whole groups of channels, and with what zeros on both
  // sides cannot stand for around it. Leaves in `padding` what is still to be added.
  Tensor prepared(const Tensor& x, const Conv2dOptions& options, DType type, Padding& padding) const;
  // bias + image_bias, f32 [1 or n, c], if there is either.
  std::optional<Tensor> summed_bias(const Parameter* bias, const Conv2dOptions& options, const Tensor& out);
  void convolve(const Tensor& x, const Tensor& weight, const Padding& padding, const std::optional<Tensor>& bias,
                const Conv2dOptions& options, Tensor& out);

  // Behind a product without it: the activation, and the residual after that.
  void activate_product(Activation activation, const std::optional<Tensor>& residual, int64_t d_out, Tensor& out);

  // Linear layers of 8-bit numbers: false, with nothing computed, where they are not allowed or there is no way.
  bool eight_bit_linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
                        Tensor& out);
  bool eight_bit_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out);
  struct EightBitInput;
  using FinishSums = std::function<void(const void* sums, const ProductScales&, int64_t row, int64_t rows)>;
  bool scaled_linear(const EightBitInput& input, const Parameter* bias, const LinearOptions& options, Tensor& out);
  bool sum_rows(const EightBitInput& input, const FinishSums& finish);  // `finish` for parts of all rows
  RowCodes rounded(const EightBitInput& input) const;                   // x
  bool has_way(const EightBitShape& shape, const Device& device);
  bool multiply_codes(const EightBitShape& shape, const EightBitOperands& operands, const Device& device);

  std::shared_ptr<const Context> context_;
  WeightUploader uploader_;
  Convolutions convolutions_;
  Products products_;
  EightBitProducts eight_bit_products_;
  FusedAttention attention_;
  DType type_;
  ReducedProducts reduced_;
  bool is_wide_ = false;
  std::optional<Tensor> workspace_;
};

inline Source source(const Tensor& x) { return {x.address(), x.dtype()}; }
inline Target target(Tensor& x) { return {x.address(), x.dtype()}; }
// [rows, width] from a row on.
inline Target rows_from(const Tensor& x, int64_t row, int64_t width) {
  return {x.address() + row * width * size_of(x.dtype()), x.dtype()};
}
// Whether the libraries can read and write it.
inline bool is_aligned(const Tensor& x) {
  constexpr uintptr_t kAlignment = 16;  // bytes
  return reinterpret_cast<uintptr_t>(x.address()) % kAlignment == 0;
}
inline ImageShape image_shape(const Tensor& x) { return {.n = x.dim(0), .h = x.dim(1), .w = x.dim(2), .c = x.dim(3)}; }

}  // namespace easel::cuda
