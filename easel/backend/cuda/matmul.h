// cuBLASLt's descriptions of a product, with owners.
#pragma once

#include <cstdint>

#include "easel/backend/cuda/status.h"
#include "easel/base/error.h"
#include "easel/tensor/dtype.h"

namespace easel::cuda {

// Of f32, f16, bf16 and i32.
inline cudaDataType_t cuda_type(DType type) {
  switch (type) {
    case DType::f16: return CUDA_R_16F;
    case DType::bf16: return CUDA_R_16BF;
    case DType::i32: return CUDA_R_32I;
    default: EASEL_ASSERT(type == DType::f32);
  }
  return CUDA_R_32F;
}

// A matrix whose columns lie one after the other: our rows.
class MatrixLayout {
 public:
  MatrixLayout(cudaDataType_t type, int64_t rows, int64_t columns) {
    check(cublasLtMatrixLayoutCreate(&handle_, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), rows),
          "describe a matrix");
  }
  ~MatrixLayout() { cublasLtMatrixLayoutDestroy(handle_); }
  MatrixLayout(const MatrixLayout&) = delete;
  MatrixLayout& operator=(const MatrixLayout&) = delete;
  cublasLtMatrixLayout_t get() const { return handle_; }

 private:
  cublasLtMatrixLayout_t handle_ = nullptr;
};

// out^T [d_out, rows] = weight [d_out, d_in] x^T [d_in, rows], as cuBLASLt sees our rows: the weight is transposed.
class MatmulDescription {
 public:
  // scale_type: of the factors before the product and before what is added to it
  MatmulDescription(cublasComputeType_t compute, cudaDataType_t scale_type) {
    check(cublasLtMatmulDescCreate(&handle_, compute, scale_type), "describe a product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    set(CUBLASLT_MATMUL_DESC_TRANSA, transposed);
  }
  ~MatmulDescription() { cublasLtMatmulDescDestroy(handle_); }
  MatmulDescription(const MatmulDescription&) = delete;
  MatmulDescription& operator=(const MatmulDescription&) = delete;
  cublasLtMatmulDesc_t get() const { return handle_; }

  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublasLtMatmulDescSetAttribute(handle_, attribute, &value, sizeof value), "describe a product");
  }
  // [d_out]
  void add_bias(const void* bias, cudaDataType_t type) {
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(type));
  }

 private:
  cublasLtMatmulDesc_t handle_ = nullptr;
};

class MatmulPreference {
 public:
  // Sums of parts are added in the type that products are summed in, and in one order.
  explicit MatmulPreference(uint64_t workspace_bytes) {
    check(cublasLtMatmulPreferenceCreate(&handle_), "say what is preferred");
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  }
  ~MatmulPreference() { cublasLtMatmulPreferenceDestroy(handle_); }
  MatmulPreference(const MatmulPreference&) = delete;
  MatmulPreference& operator=(const MatmulPreference&) = delete;
  cublasLtMatmulPreference_t get() const { return handle_; }

  // In bytes: of the weight, x, what is added, and the result.
  void set_alignments(uint32_t weight, uint32_t x, uint32_t added, uint32_t out) {
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, weight);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, x);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, added);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, out);
  }

 private:
  template <typename T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
    check(cublasLtMatmulPreferenceSetAttribute(handle_, attribute, &value, sizeof value), "say what is preferred");
  }

  cublasLtMatmulPreference_t handle_ = nullptr;
};

}  // namespace easel::cuda
