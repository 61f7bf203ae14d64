// Convolutions by cuDNN, channels last, with what is added to them.
#pragma once

#include <map>
#include <optional>

#include "easel/backend/backend.h"
#include "easel/backend/cuda/graph.h"

namespace easel::cuda {

// All of one convolution that decides how it is computed.
struct ConvolutionShape {
  int64_t n, h, w, c_in, c_out, kernel_h, kernel_w, stride;
  int64_t pad_h, pad_w;  // zeros on both sides
  DType type;
  bool allow_tf32;
  // In this order after the convolution, if a graph can do them along with it:
  bool adds_bias = false;  // f32 [bias_n, c_out], bias_n 1 or n
  bool bias_per_image = false;
  Activation activation = Activation::none;
  bool adds_residual = false;  // of the result's shape and type

  int64_t out_h() const { return (h + 2 * pad_h - kernel_h) / stride + 1; }
  int64_t out_w() const { return (w + 2 * pad_w - kernel_w) / stride + 1; }
  bool is_plain() const { return !adds_bias && !adds_residual && activation == Activation::none; }
  auto operator<=>(const ConvolutionShape&) const = default;
};

struct ConvolutionData {
  const void* x;       // [n, h, w, c_in]
  const void* weight;  // [c_out, kernel_h, kernel_w, c_in]
  const void* bias;
  const void* residual;
  void* out;  // [n, out_h, out_w, c_out]
};

// Plans are made once for each shape.
class Convolutions {
 public:
  // nullptr: cuDNN has no way to compute this within `workspace_bytes`.
  const GraphPlan* plan(const Context& context, const ConvolutionShape& shape, int64_t workspace_bytes);

  static void run(const Context& context, const GraphPlan& plan, const ConvolutionShape& shape,
                  const ConvolutionData& data, void* workspace);

 private:
  std::map<ConvolutionShape, std::optional<GraphPlan>> plans_;
};

}  // namespace easel::cuda
