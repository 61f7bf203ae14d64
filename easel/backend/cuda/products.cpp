#include "easel/backend/cuda/products.h"

#include "easel/base/error.h"

namespace easel::cuda {
namespace {

constexpr uint32_t kMaxAlignment = 256;  // bytes; more makes no difference to cuBLASLt

cudaDataType_t cuda_type(DType type) {
  switch (type) {
    case DType::f16: return CUDA_R_16F;
    case DType::bf16: return CUDA_R_16BF;
    default: EASEL_ASSERT(type == DType::f32);
  }
  return CUDA_R_32F;
}

// The largest power of two that divides the address, up to kMaxAlignment.
uint32_t alignment_of(const void* address) {
  const auto number = reinterpret_cast<uintptr_t>(address);
  uint32_t alignment = kMaxAlignment;
  while (number % alignment != 0) alignment /= 2;
  return alignment;
}

// What cuBLASLt wants to know of a matrix whose columns lie one after the other: our rows.
class Layout {
 public:
  Layout(cudaDataType_t type, int64_t rows, int64_t columns) {
    check(cublasLtMatrixLayoutCreate(&handle_, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), rows),
          "describe a matrix");
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(handle_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  cublasLtMatrixLayout_t get() const { return handle_; }

 private:
  cublasLtMatrixLayout_t handle_ = nullptr;
};

class Operation {
 public:
  explicit Operation(const Product& product) {
    const bool tf32 = product.type == DType::f32 && product.allow_tf32;
    check(cublasLtMatmulDescCreate(&handle_, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
          "describe a product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    set(CUBLASLT_MATMUL_DESC_TRANSA, transposed);
    if (product.bias == nullptr) return;
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, product.bias);
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(cuda_type(product.type)));
  }
  ~Operation() { cublasLtMatmulDescDestroy(handle_); }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  cublasLtMatmulDesc_t get() const { return handle_; }

 private:
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublasLtMatmulDescSetAttribute(handle_, attribute, &value, sizeof value), "describe a product");
  }

  cublasLtMatmulDesc_t handle_ = nullptr;
};

class Preference {
 public:
  Preference() { check(cublasLtMatmulPreferenceCreate(&handle_), "say what is preferred"); }
  ~Preference() { cublasLtMatmulPreferenceDestroy(handle_); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  template <typename T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
    check(cublasLtMatmulPreferenceSetAttribute(handle_, attribute, &value, sizeof value), "say what is preferred");
  }
  cublasLtMatmulPreference_t get() const { return handle_; }

 private:
  cublasLtMatmulPreference_t handle_ = nullptr;
};

// The four matrices as cuBLASLt sees them: out^T [d_out, rows] = weight [d_out, d_in] x^T [d_in, rows].
struct Layouts {
  explicit Layouts(const Product& product)
      : weight(cuda_type(product.type), product.d_in, product.d_out),
        x(cuda_type(product.type), product.d_in, product.rows),
        out(cuda_type(product.type), product.d_out, product.rows) {}
  Layout weight, x, out;
};

}  // namespace

void Products::run(const Context& context, const Product& product, void* workspace, size_t workspace_bytes) {
  if (product.rows == 0) return;
  // Without a residual nothing of C is read.
  const void* const residual = product.residual != nullptr ? product.residual : product.out;
  const Key key{product.rows,
                product.d_in,
                product.d_out,
                product.type,
                product.allow_tf32,
                product.bias != nullptr,
                product.residual != nullptr,
                alignment_of(product.x),
                alignment_of(product.weight),
                alignment_of(residual),
                alignment_of(product.out)};
  const Operation operation(product);
  const Layouts layouts(product);
  auto choice = choices_.find(key);
  if (choice == choices_.end()) {
    Preference preference;
    preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
    // Sums of parts are added in f32, and in one order.
    preference.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                   static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.weight_alignment);
    preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.x_alignment);
    preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.residual_alignment);
    preference.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.out_alignment);
    cublasLtMatmulHeuristicResult_t found = {};
    int count = 0;
    check(cublasLtMatmulAlgoGetHeuristic(context.cublas(), operation.get(), layouts.weight.get(), layouts.x.get(),
                                         layouts.out.get(), layouts.out.get(), preference.get(), 1, &found, &count),
          "find a way to multiply");
    if (count == 0) check(CUBLAS_STATUS_NOT_SUPPORTED, "find a way to multiply");
    check(found.state, "find a way to multiply");
    choice = choices_.emplace(key, found.algo).first;
  }
  const float one = 1.0f;
  const float beta = product.residual != nullptr ? 1.0f : 0.0f;
  check(cublasLtMatmul(context.cublas(), operation.get(), &one, product.weight, layouts.weight.get(), product.x,
                       layouts.x.get(), &beta, residual, layouts.out.get(), product.out, layouts.out.get(),
                       &choice->second, workspace, workspace_bytes, context.stream()),
        "multiply");
}

}  // namespace easel::cuda
