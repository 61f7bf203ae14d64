// Matrix products by cuBLASLt.
#pragma once

#include <map>

#include "easel/backend/cuda/context.h"
#include "easel/tensor/dtype.h"

namespace easel::cuda {

// out [rows, d_out] = x [rows, d_in] weight^T + bias + residual; weight [d_out, d_in]; all of one type, sums in f32.
struct Product {
  int64_t rows, d_in, d_out;
  DType type;
  bool allow_tf32;  // of f32
  const void* x;
  const void* weight;
  const void* bias = nullptr;      // [d_out], may be null
  const void* residual = nullptr;  // [rows, d_out], may be null
  void* out;
};

// cuBLASLt's choice is asked for once for each kind of product.
class Products {
 public:
  // Throws Error device_failure.
  void run(const Context& context, const Product& product, void* workspace, size_t workspace_bytes);

 private:
  struct Key {
    int64_t rows, d_in, d_out;
    DType type;
    bool allow_tf32, has_bias, has_residual;
    uint32_t x_alignment, weight_alignment, residual_alignment, out_alignment;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, cublasLtMatmulAlgo_t> choices_;
};

}  // namespace easel::cuda
