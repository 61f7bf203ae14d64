// Products of 8-bit numbers by cuBLASLt.
#pragma once

#include <map>
#include <optional>

#include "easel/backend/cuda/context.h"
#include "easel/backend/cuda/kernels/quantize_kernels.h"

namespace easel::cuda {

// The kind of a product of codes (quantize_kernels.h): x [rows, d_in] weight^T, weight [d_out, d_in].
struct EightBitShape {
  int64_t rows, d_in, d_out;
  EightBits numbers;
  // The result [rows, d_out]: with i32 for int8 or f32 for e4m3, the sums of products of codes and nothing else. With
  // f16 or bf16 (of e4m3 only) what the sums stand for: times both operands' scales, plus bias and residual of that
  // type.
  DType out;
  bool has_bias = false, has_residual = false;
  bool is_scaled() const { return out == DType::f16 || out == DType::bf16; }
  auto operator<=>(const EightBitShape&) const = default;
};

// The type of sums.
inline DType sum_type(EightBits numbers) { return numbers == EightBits::int8 ? DType::i32 : DType::f32; }

// All at addresses that are multiples of 16.
struct EightBitOperands {
  const void* x;
  const void* weight;
  const float* x_scales = nullptr;       // [rows], where the result is scaled
  const float* weight_scales = nullptr;  // [d_out], likewise
  const void* bias = nullptr;            // [d_out]
  const void* residual = nullptr;        // [rows, d_out]
  void* out = nullptr;
};

// cuBLASLt's choice is asked for once for each kind of product.
class EightBitProducts {
 public:
  // Whether cuBLASLt has a way on this card. workspace: of card memory; nothing is written to it.
  bool has_way(const Context& context, const EightBitShape& shape, void* workspace, size_t workspace_bytes);
  // With a shape that was asked for. False, with nothing computed, if there is no way, or if cuBLASLt refuses it after
  // all: there is none from then on. Throws Error device_failure.
  bool run(const Context& context, const EightBitShape& shape, const EightBitOperands& operands, void* workspace,
           size_t workspace_bytes);

 private:
  std::map<EightBitShape, std::optional<cublasLtMatmulAlgo_t>> choices_;  // nothing: no way
};

}  // namespace easel::cuda
