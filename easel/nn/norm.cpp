#include "easel/nn/norm.h"

namespace easel {

GroupNorm::GroupNorm(const Weights& weights, int64_t channels, float epsilon)
    : weight_(weights.parameter("weight", {channels})),
      bias_(weights.parameter("bias", {channels})),
      epsilon_(epsilon) {}

LayerNorm::LayerNorm(const Weights& weights, int64_t width, float epsilon)
    : weight_(weights.parameter("weight", {width})), bias_(weights.parameter("bias", {width})), epsilon_(epsilon) {}

}  // namespace easel
