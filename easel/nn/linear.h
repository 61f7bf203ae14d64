// Linear: y = x W^T + b over the last dimension. A 1x1 convolution is a linear layer over the channels.
#pragma once

#include <optional>

#include "easel/checkpoint/weights.h"
#include "easel/ops/ops.h"

namespace easel {

enum class Bias { yes, no };

class Linear {
 public:
  Linear(const Weights& weights, int64_t d_in, int64_t d_out, Bias bias = Bias::yes);
  Linear(Parameter weight, std::optional<Parameter> bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}

  // x [..., d_in] -> [..., d_out]
  Tensor operator()(const Tensor& x, const LinearOptions& options = {}) const {
    return ops::linear(x, weight_, bias_, options);
  }

  // The layer that computes outputs [begin, end) of this one.
  Linear outputs(int64_t begin, int64_t end) const;

 private:
  Parameter weight_;               // [d_out, d_in]
  std::optional<Parameter> bias_;  // [d_out]
};

}  // namespace easel
