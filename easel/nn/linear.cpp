#include "easel/nn/linear.h"

namespace easel {

Linear::Linear(const Weights& weights, int64_t d_in, int64_t d_out, Bias bias)
    : weight_(weights.parameter("weight", {d_out, d_in})) {
  if (bias == Bias::yes) bias_ = weights.parameter("bias", {d_out});
}

Linear Linear::outputs(int64_t begin, int64_t end) const {
  const auto rows = [&](const Parameter& whole) {
    return whole.shape().count() == 0 ? whole : whole.rows(begin, end);  // a missing tensor, noted by Weights, is empty
  };
  return Linear(rows(weight_), bias_ ? std::optional(rows(*bias_)) : std::nullopt);
}

}  // namespace easel
