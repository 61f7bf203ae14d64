// The seam to oneDNN, which computes what own kernels do not: products of bf16 numbers with f32 sums, for --precision
// bf16. Its rate of f32 products is the machine's limit besides. A build with EASEL_ONEDNN=OFF has without_onednn.cpp
// in the place of onednn.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "easel/backend/backend.h"

namespace easel::cpu {

// Of x and of weights, which are rounded to bf16; sums, biases, residuals and results are f32. A weight's packed form
// is kept. They use as many threads as omp_set_num_threads() said last.
class Bf16Products {
 public:
  virtual ~Bf16Products() = default;

  // out = activation(conv(x, weight) + bias) + residual, for out [n, h', w', c_out]. Padding is with zeros, and there
  // is no bias per image.
  virtual void convolution(const Tensor& x, const Parameter& weight, const Parameter* bias,
                           const Conv2dOptions& options, Tensor& out) = 0;
  // out = activation(x W^T + bias) + residual, for out [rows, d_out].
  virtual void matmul(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
                      Tensor& out) = 0;
};

struct Bf16Support {
  std::string_view unusable_because;  // "this processor has no AVX-512"; empty: they can be computed
  bool is_fast;         // the processor has instructions for them (AVX512_BF16 or AMX): they are faster than f32
  bool beats_winograd;  // 3x3 convolutions gain, too: with AMX. Otherwise Winograd's algorithm in f32 is as fast
};

// Of this build on this processor, within EASEL_CPU_ISA.
Bf16Support bf16_support();

// Null where they cannot be computed.
std::unique_ptr<Bf16Products> open_bf16_products();

// A product of two f32 matrices [size, size], made ready to be computed over and over.
std::function<void()> large_product(int64_t size, int threads);

}  // namespace easel::cpu
