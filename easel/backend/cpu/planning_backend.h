// PlanningBackend: takes the memory that the CPU backend would take, and computes nothing.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "easel/backend/backend.h"
#include "easel/backend/reduced_products.h"
#include "easel/tensor/counting_allocator.h"

namespace easel::cpu {

class PlanningBackend : public Backend {
 public:
  // allocator: that of the device this becomes a part of
  PlanningBackend(int threads, ReducedProducts reduced, CountingAllocator& allocator)
      : threads_(threads), reduced_(std::move(reduced)), allocator_(allocator) {}

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
  void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon, Tensor& out) override;
  void embedding(const Tensor& ids, const Parameter& table, Tensor& out) override;
  void scale_shift(const Tensor&, const Tensor&, Activation, Tensor&) override {}
  void activate(const Tensor&, Activation, Tensor&) override {}
  void copy(const Tensor&, Tensor&) override {}
  void upsample_nearest_2x(const Tensor&, Tensor&) override {}
  void resize(const Tensor&, const ResizeOptions&, Tensor&) override {}
  void max_pool(const Tensor&, const PoolOptions&, Tensor&) override {}
  void concat_channels(const Tensor&, const Tensor&, Tensor&) override {}
  void combine(std::span<const Term>, float, Tensor&) override {}
  void multiply(const Tensor&, const Tensor&, Tensor&) override {}
  void clamp(const Tensor&, float, float, Tensor&) override {}

 private:
  // While it lives, a weight that is read where it lies is in memory; for good, if it stays.
  class Reading;
  // The weight as packed numbers: kept, or for this use.
  // packed_floats: of another order that the values are brought into; nothing: they stay as they are.
  void pack(const Parameter& weight, std::optional<int64_t> packed_floats, const Device& device);
  void plain(const Parameter& weight, const Device& device) { pack(weight, std::nullopt, device); }

  // The weight and the activations x as 8-bit integers.
  void take_int8(const Tensor& x, const Parameter& weight);
  // The same as bf16.
  void take_bf16(const Tensor& x, const Parameter& weight);

  int threads_;
  ReducedProducts reduced_;
  CountingAllocator& allocator_;
  std::map<const std::byte*, uint64_t> read_;  // bytes of weights that stay where they lie
  std::map<const std::byte*, Tensor> packed_;  // those that stay as packed numbers
};

}  // namespace easel::cpu
