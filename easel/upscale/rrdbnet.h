// RrdbNet: the network of ESRGAN (Wang et al. 2018) and Real-ESRGAN (Wang et al. 2021), which makes an image larger.
#pragma once

#include <array>
#include <vector>

#include "easel/nn/block_observer.h"
#include "easel/nn/conv2d.h"

namespace easel {

struct RrdbNetConfig {
  int64_t unshuffle = 1;  // 2 and 4: squares of so many pixels a side are first taken as channels of one
  int64_t features = 64;
  int64_t growth = 32;  // channels that each convolution of a dense block adds
  int64_t blocks = 23;
  int64_t doublings = 2;  // at the end

  int64_t scale() const { return (int64_t{1} << doublings) / unshuffle; }

  // Reads the sizes off the tensors, which have Real-ESRGAN's names. Throws Error bad_checkpoint.
  static RrdbNetConfig from(const Checkpoint& checkpoint);
};

// Convolutions that each see the results of all before them (Huang et al. 2017), and a shortcut around them.
class DenseBlock {
 public:
  DenseBlock(const Weights& weights, const RrdbNetConfig& config);
  // x [n, h, w, features] -> same
  Tensor operator()(const Tensor& x) const;

 private:
  std::vector<Conv2d> growing_;
  Conv2d last_;
};

class RrdbNet {
 public:
  // weights: named conv_first, body.N.rdb1.conv1, conv_body, conv_up1, conv_hr, conv_last. Faults are noted there: end
  // with weights.require_complete().
  RrdbNet(const Weights& weights, const RrdbNetConfig& config);

  const RrdbNetConfig& config() const { return config_; }

  // x [n, h, w, 3] in [0, 1], h and w multiples of `unshuffle` -> [n, scale h, scale w, 3], nominally in [0, 1]
  Tensor operator()(const Tensor& x, const BlockObserver& observe = {}) const;
  // The same of pixel_unshuffle(x, unshuffle).
  Tensor enlarge_squares(const Tensor& squares, const BlockObserver& observe = {}) const;

 private:
  using ResidualBlock = std::array<DenseBlock, 3>;  // "RRDB": residual in residual dense block

  RrdbNetConfig config_;
  Conv2d conv_first_;
  std::vector<ResidualBlock> body_;
  Conv2d conv_body_;
  std::vector<Conv2d> conv_up_;
  Conv2d conv_hr_;
  Conv2d conv_last_;
};

// Squares of `factor` x `factor` pixels as channels of one, in PyTorch's order.
// x [n, h, w, c] -> [n, h / factor, w / factor, c factor^2]
Tensor pixel_unshuffle(const Tensor& x, int64_t factor);

}  // namespace easel
