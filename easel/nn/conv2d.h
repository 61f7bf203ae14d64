// Conv2d: a convolution with its window.
#pragma once

#include <optional>

#include "easel/checkpoint/weights.h"
#include "easel/nn/linear.h"
#include "easel/ops/ops.h"

namespace easel {

struct Window {
  int64_t kernel = 3;
  int64_t stride = 1;
  Padding padding = {.top = 1, .bottom = 1, .left = 1, .right = 1};
};

// 3x3 around every pixel; what lies beyond the edges is the network's choice.
constexpr Window window_3x3(PaddingMode padding) {
  return {.padding = {.top = 1, .bottom = 1, .left = 1, .right = 1, .mode = padding}};
}

// What is done with the convolution in the same pass.
struct Conv2dFusion {
  std::optional<Tensor> image_bias = std::nullopt;  // [n, c_out], to every pixel of its image
  std::optional<Tensor> residual = std::nullopt;    // as the result, added last
  Activation activation = Activation::none;         // before the residual
};

// Which of an image's upper and lower edges a band of its rows touches.
struct Edges {
  bool top = true;
  bool bottom = true;
};

class Conv2d {
 public:
  Conv2d(const Weights& weights, int64_t c_in, int64_t c_out, const Window& window = {}, Bias bias = Bias::yes);

  // x [n, h, w, c_in] -> [n, h / stride, w / stride, c_out]
  Tensor operator()(const Tensor& x, const Conv2dFusion& fusion = {}) const;

  // Rows of the result from the rows of x that its window sees: padding only where an edge of the image is.
  Tensor on_band(const Tensor& rows, const Edges& edges, const Conv2dFusion& fusion = {}) const;

  const Window& window() const { return window_; }
  int64_t c_out() const { return weight_.shape()[0]; }

 private:
  Window window_;
  Parameter weight_;               // [c_out, c_in, kernel, kernel]
  std::optional<Parameter> bias_;  // [c_out]
};

}  // namespace easel
