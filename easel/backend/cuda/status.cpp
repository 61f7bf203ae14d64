#include "easel/backend/cuda/status.h"

#include "easel/base/error.h"

namespace easel::cuda {
namespace {

[[noreturn]] void fail(const char* library, const char* what, const char* reason) {
  throw Error(ErrorCode::device_failure,
              "{} fails to {}: {}; if other programs use the card, close them, or take --device cpu", library, what,
              reason);
}

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) fail("CUDA", what, cudaGetErrorString(status));
}

void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS) fail("cuDNN", what, cudnnGetErrorString(status));
}

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) fail("cuBLASLt", what, cublasLtGetStatusString(status));
}

void check_launch(const char* what) { check(cudaGetLastError(), what); }

}  // namespace easel::cuda
