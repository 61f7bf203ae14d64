// The CPU backend: own vector kernels, and oneDNN for products of bf16 numbers.
#pragma once

#include <memory>
#include <utility>

#include "easel/backend/backend.h"
#include "easel/backend/cpu/onednn.h"
#include "easel/backend/reduced_products.h"

namespace easel::cpu {

class CpuBackend : public Backend {
 public:
  explicit CpuBackend(int threads, ReducedProducts reduced = {}) : threads_(threads), reduced_(std::move(reduced)) {}

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
  // Those that no better algorithm applies to.
  void other_conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                    Tensor& out);

  int threads_;
  ReducedProducts reduced_;
  std::unique_ptr<Bf16Products> bf16_ = open_bf16_products();  // null where there are none
};

}  // namespace easel::cpu
