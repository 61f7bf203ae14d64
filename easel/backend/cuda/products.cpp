#include "easel/backend/cuda/products.h"

#include "easel/backend/cuda/matmul.h"

namespace easel::cuda {
namespace {

constexpr uint32_t kMaxAlignment = 256;  // bytes; more makes no difference to cuBLASLt

// The largest power of two that divides the address, up to kMaxAlignment.
uint32_t alignment_of(const void* address) {
  const auto number = reinterpret_cast<uintptr_t>(address);
  uint32_t alignment = kMaxAlignment;
  while (number % alignment != 0) alignment /= 2;
  return alignment;
}

MatmulDescription description_of(const Product& product) {
  const bool tf32 = product.type == DType::f32 && product.allow_tf32;
  return MatmulDescription(tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
}

struct Layouts {
  explicit Layouts(const Product& product)
      : weight(cuda_type(product.type), product.d_in, product.d_out),
        x(cuda_type(product.type), product.d_in, product.rows),
        out(cuda_type(product.type), product.d_out, product.rows) {}
  MatrixLayout weight, x, out;
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
  MatmulDescription operation = description_of(product);
  if (product.bias != nullptr) operation.add_bias(product.bias, cuda_type(product.type));
  const Layouts layouts(product);
  auto choice = choices_.find(key);
  if (choice == choices_.end()) {
    MatmulPreference preference(workspace_bytes);
    preference.set_alignments(key.weight_alignment, key.x_alignment, key.residual_alignment, key.out_alignment);
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
