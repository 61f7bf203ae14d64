// ResBlock: two convolutions around a shortcut, told the timestep (Ho et al. 2020, appendix B).
#pragma once

#include <optional>

#include "easel/nn/conv2d.h"
#include "easel/nn/linear.h"
#include "easel/nn/norm.h"

namespace easel {

struct ResBlockConfig {
  int64_t c_in;
  int64_t c_out;
  int64_t d_time;
  PaddingMode padding = PaddingMode::zeros;
};

class ResBlock {
 public:
  ResBlock(const Weights& weights, const ResBlockConfig& config);
  // x [n, h, w, c_in], time_embedding [n, d_time] -> [n, h, w, c_out]
  Tensor operator()(const Tensor& x, const Tensor& time_embedding) const;

 private:
  GroupNorm norm1_;
  Conv2d conv1_;
  Linear time_proj_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Linear> shortcut_;  // where the channels change
};

}  // namespace easel
