// What is documented of cublasLtMatmul and kept to here: the weight transposed and x not ("TN"); dimensions and
// addresses in multiples of 16 bytes. int8: sums and factors of i32, no epilogue. E4M3: sums and factors of f32; the
// result f32, or f16 or bf16 with a bias of that type; scales that are not set are 1; one for every row of both
// operands (OUTER_VEC_32F) on compute capability 9.0, neither earlier nor later.
#include "easel/backend/cuda/eight_bit_products.h"

#include "easel/backend/cuda/matmul.h"
#include "easel/base/log.h"

namespace easel::cuda {
namespace {

constexpr uint32_t kAlignment = 16;  // bytes, of all operands
constexpr int kScaledCapability = 90;

cudaDataType_t code_type(EightBits numbers) { return numbers == EightBits::int8 ? CUDA_R_8I : CUDA_R_8F_E4M3; }

class Operation {
 public:
  Operation(const EightBitShape& shape, const EightBitOperands& operands)
      : description_(shape.numbers == EightBits::int8 ? CUBLAS_COMPUTE_32I : CUBLAS_COMPUTE_32F,
                     shape.numbers == EightBits::int8 ? CUDA_R_32I : CUDA_R_32F),
        weight_(code_type(shape.numbers), shape.d_in, shape.d_out),
        x_(code_type(shape.numbers), shape.d_in, shape.rows),
        out_(cuda_type(shape.out), shape.d_out, shape.rows) {
    if (!shape.is_scaled()) return;
    const auto each_row = static_cast<int32_t>(CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F);
    description_.set(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, each_row);
    description_.set(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, each_row);
    description_.set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, static_cast<const void*>(operands.weight_scales));
    description_.set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, static_cast<const void*>(operands.x_scales));
    if (shape.has_bias) description_.add_bias(operands.bias, cuda_type(shape.out));
  }
  cublasLtMatmulDesc_t description() const { return description_.get(); }
  cublasLtMatrixLayout_t weight() const { return weight_.get(); }
  cublasLtMatrixLayout_t x() const { return x_.get(); }
  cublasLtMatrixLayout_t out() const { return out_.get(); }

 private:
  MatmulDescription description_;
  MatrixLayout weight_, x_, out_;
};

// What the documentation rules out is not asked for.
bool is_documented(const EightBitShape& shape, int capability) {
  if (shape.d_in % kAlignment != 0 || shape.d_out % kAlignment != 0) return false;
  if (!shape.is_scaled()) return shape.out == sum_type(shape.numbers) && !shape.has_bias && !shape.has_residual;
  return shape.numbers == EightBits::e4m3 && capability == kScaledCapability;
}

// Of a combination of types and scales, which some versions tell only when asked to multiply (cublasLt.h).
bool is_refusal(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE;
}

// Once for each shape.
void tell_missing_way(const EightBitShape& shape) {
  log::debug("cuBLASLt does not multiply {} x {} by {} in {} with results of {}: another way is taken", shape.rows,
             shape.d_in, shape.d_out, shape.numbers == EightBits::int8 ? "int8" : "fp8", name_of(shape.out));
}

std::optional<cublasLtMatmulAlgo_t> choose(const Context& context, const EightBitShape& shape, void* workspace,
                                           size_t workspace_bytes) {
  if (!is_documented(shape, context.compute_capability())) return std::nullopt;
  // Pointers are looked at for their alignment only.
  const auto* const scales = static_cast<const float*>(workspace);
  const Operation operation(shape, {.x = workspace,
                                    .weight = workspace,
                                    .x_scales = scales,
                                    .weight_scales = scales,
                                    .bias = shape.has_bias ? workspace : nullptr});
  MatmulPreference preference(workspace_bytes);
  preference.set_alignments(kAlignment, kAlignment, kAlignment, kAlignment);
  cublasLtMatmulHeuristicResult_t found = {};
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(context.cublas(), operation.description(), operation.weight(), operation.x(),
                                     operation.out(), operation.out(), preference.get(), 1, &found, &count);
  if (!is_refusal(status)) check(status, "find a way to multiply");
  if (is_refusal(status) || count == 0 || found.state != CUBLAS_STATUS_SUCCESS) {
    tell_missing_way(shape);
    return std::nullopt;
  }
  return found.algo;
}

}  // namespace

bool EightBitProducts::has_way(const Context& context, const EightBitShape& shape, void* workspace,
                               size_t workspace_bytes) {
  auto choice = choices_.find(shape);
  if (choice == choices_.end()) {
    choice = choices_.emplace(shape, choose(context, shape, workspace, workspace_bytes)).first;
  }
  return choice->second.has_value();
}

bool EightBitProducts::run(const Context& context, const EightBitShape& shape, const EightBitOperands& operands,
                           void* workspace, size_t workspace_bytes) {
  std::optional<cublasLtMatmulAlgo_t>& choice = choices_.at(shape);
  if (!choice) return false;
  const Operation operation(shape, operands);
  // Of the type that the description says.
  const int32_t one_i32 = 1, zero_i32 = 0;
  const float one_f32 = 1.0f, zero_f32 = 0.0f;
  const bool is_integer = shape.numbers == EightBits::int8;
  const void* const one = is_integer ? static_cast<const void*>(&one_i32) : &one_f32;
  const void* const zero = is_integer ? static_cast<const void*>(&zero_i32) : &zero_f32;
  // Without a residual nothing of what is added is read.
  const void* const added = shape.has_residual ? operands.residual : operands.out;
  const cublasStatus_t status =
      cublasLtMatmul(context.cublas(), operation.description(), one, operands.weight, operation.weight(), operands.x,
                     operation.x(), shape.has_residual ? one : zero, added, operation.out(), operands.out,
                     operation.out(), &*choice, workspace, workspace_bytes, context.stream());
  if (is_refusal(status)) {
    tell_missing_way(shape);
    choice.reset();
    return false;
  }
  check(status, "multiply numbers of 8 bits");
  return true;
}

}  // namespace easel::cuda
