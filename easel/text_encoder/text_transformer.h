// TextTransformer: one layer of CLIP's text encoder (Radford et al. 2021, section 2.4).
#pragma once

#include "easel/nn/linear.h"
#include "easel/nn/norm.h"

namespace easel {

// The linear layers of one transformer layer and its normalisations, however the checkpoint names and stores them.
class TextTransformer {
 public:
  struct Parts {
    LayerNorm norm1;
    Linear q, k, v, attention_out;  // width -> width
    LayerNorm norm2;
    Linear mlp_in;   // width -> mlp width
    Linear mlp_out;  // mlp width -> width
  };

  TextTransformer(Parts parts, int64_t heads, Activation activation)
      : parts_(std::move(parts)), heads_(heads), activation_(activation) {}

  // x [n, t, width] -> same. A token sees itself and those before it.
  Tensor operator()(const Tensor& x) const;

 private:
  Parts parts_;
  int64_t heads_;
  Activation activation_;
};

}  // namespace easel
