// What CUDA's libraries say of a call, as Error.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

namespace easel::cuda {

// Throw Error device_failure that names `what` was done, unless it succeeded.
void check(cudaError_t status, const char* what);
void check(cudnnStatus_t status, const char* what);
void check(cublasStatus_t status, const char* what);

// After kernels were put on a stream: whether they could be.
void check_launch(const char* what);

}  // namespace easel::cuda
