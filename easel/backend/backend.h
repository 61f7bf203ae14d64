// Backend: the operations that a device library implements, one method per op.
//
// Called by easel/ops only, which has checked all shapes and allocated `out`. Activations are channels-last, f32 or
// what activation_type() says; a backend that has such a type takes and gives f32 too, in any mixture.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "easel/backend/options.h"
#include "easel/tensor/parameter.h"
#include "easel/tensor/tensor.h"

namespace easel {

struct Conv2dOptions {
  int64_t stride = 1;
  Padding padding;
  std::optional<Tensor> image_bias = std::nullopt;  // [n, c_out], added to every pixel of its image
  std::optional<Tensor> residual = std::nullopt;    // as the result, added last
  Activation activation = Activation::none;         // before the residual
};

struct LinearOptions {
  Activation activation = Activation::none;       // before the residual
  std::optional<Tensor> residual = std::nullopt;  // as the result, added last
};

struct Term {
  float factor;
  const Tensor* tensor;
};

// How large the numbers of a stage become.
enum class ValueRange {
  usual,  // f16 holds them
  wide,   // it may not: those of a VAE
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Of the results of networks.
  virtual DType activation_type() const { return DType::f32; }
  // Of what is computed from now on.
  virtual void set_range(ValueRange /*range*/) {}
  // Returns when everything asked for so far is computed. Throws Error device_failure if some of it was not.
  virtual void wait() {}

  // work(inputs), for work that is done again and again: a device may record the operations and replay them. `work`
  // computes with operations and may start anew in the midst of it, so it changes nothing that it reads. `variant`
  // tells apart works that take turns.
  using Work = std::function<Tensor(std::span<const Tensor> inputs)>;
  virtual Tensor replayable(uint64_t /*variant*/, std::span<const Tensor> inputs, const Work& work) {
    return work(inputs);
  }

  virtual void conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                      Tensor& out) = 0;
  virtual void linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
                      Tensor& out) = 0;
  virtual void linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) = 0;
  virtual void attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                         Tensor& out) = 0;
  virtual void group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups,
                          float epsilon, Activation activation, Tensor& out) = 0;
  // sums [2, c] f64 = before + sums over x's pixels of (x - pivot) and (x - pivot)^2. pivot [c]; `before` may be
  // `sums`.
  virtual void channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) = 0;
  // What group_norm multiplies and adds, out [2, c], of an image of `pixels` pixels with these sums.
  virtual void group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                                 const Parameter& bias, int64_t groups, float epsilon, Tensor& out) = 0;
  // activation(x * scales[0] + scales[1])
  virtual void scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) = 0;
  virtual void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon,
                          Tensor& out) = 0;
  virtual void embedding(const Tensor& ids, const Parameter& table, Tensor& out) = 0;
  virtual void activate(const Tensor& x, Activation activation, Tensor& out) = 0;
  virtual void copy(const Tensor& x, Tensor& out) = 0;  // converts, where the types differ
  virtual void upsample_nearest_2x(const Tensor& x, Tensor& out) = 0;
  virtual void resize(const Tensor& x, const ResizeOptions& options, Tensor& out) = 0;
  virtual void max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) = 0;
  virtual void concat_channels(const Tensor& a, const Tensor& b, Tensor& out) = 0;
  virtual void combine(std::span<const Term> terms, float constant, Tensor& out) = 0;
  virtual void multiply(const Tensor& a, const Tensor& b, Tensor& out) = 0;
  virtual void clamp(const Tensor& x, float low, float high, Tensor& out) = 0;
};

// While it lives, what `device` computes has numbers of this range.
class RangeScope {
 public:
  RangeScope(const Device& device, ValueRange range) : backend_(device.backend()) { backend_.set_range(range); }
  ~RangeScope() { backend_.set_range(ValueRange::usual); }
  RangeScope(const RangeScope&) = delete;
  RangeScope& operator=(const RangeScope&) = delete;

 private:
  Backend& backend_;
};

}  // namespace easel
