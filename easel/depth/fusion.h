// What turns tokens back into images and joins the levels (Ranftl et al. 2021, section 3 and figure 1).
#pragma once

#include <optional>

#include "easel/nn/conv2d.h"
#include "easel/nn/linear.h"

namespace easel {

// An image of tokens. The class token, which belongs to no place, is projected into each of them.
class Readout {
 public:
  // weights: "pretrained.act_postprocess3" or 4
  Readout(const Weights& weights, int64_t width, int64_t channels);
  // tokens [1, 1 + rows columns, width], the class token first -> [1, rows, columns, channels]
  Tensor operator()(const Tensor& tokens, int64_t rows, int64_t columns) const;

 private:
  Linear project_;  // of a token and the class token beside it
  Linear reduce_;
};

// Two convolutions of rectified values and a shortcut.
class ResidualConvUnit {
 public:
  ResidualConvUnit(const Weights& weights, int64_t channels);
  // x [n, h, w, channels] -> same
  Tensor operator()(const Tensor& x) const;

 private:
  Conv2d conv1_;
  Conv2d conv2_;
};

// One level of the decoder: joins what comes from the coarser levels with the encoder's, and doubles the size.
class FusionBlock {
 public:
  enum class Joins { encoder_level, nothing };

  // weights: "scratch.refinenet1" to 4. The coarsest level has nothing to join.
  FusionBlock(const Weights& weights, int64_t channels, Joins joins = Joins::encoder_level);

  // x [n, h, w, channels] -> [n, 2h, 2w, channels]
  Tensor operator()(const Tensor& x) const;
  // The same, where `level` [n, h, w, channels] is what the encoder has at this size.
  Tensor operator()(const Tensor& x, const Tensor& level) const;

 private:
  std::optional<ResidualConvUnit> level_unit_;
  ResidualConvUnit unit_;
  Linear out_;
};

// Twice the size, with the corner pixels in place. x [n, h, w, c] -> [n, 2h, 2w, c]
Tensor enlarge_2x(const Tensor& x);

}  // namespace easel
