#include "easel/backend/cuda/context.h"

#include "easel/base/error.h"

namespace easel::cuda {

OwnedStream::OwnedStream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream"); }

OwnedStream::~OwnedStream() { cudaStreamDestroy(stream_); }

Event::Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "make an event"); }

Event::~Event() { cudaEventDestroy(event_); }

void Event::record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "record an event"); }

void Event::hold_back(cudaStream_t stream) const {
  check(cudaStreamWaitEvent(stream, event_, cudaEventWaitDefault), "wait for an event");
}

void Event::wait() const { check(cudaEventSynchronize(event_), "compute"); }

Context::Context(int index) : index_(index), chosen_(index) {
  int major = 0;
  int minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), "ask for the compute capability");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index), "ask for the compute capability");
  compute_capability_ = 10 * major + minor;
  check(cudnnCreate(&cudnn_), "start");
  if (const cudnnStatus_t status = cudnnSetStream(cudnn_, stream_); status != CUDNN_STATUS_SUCCESS) {
    cudnnDestroy(cudnn_);
    check(status, "take a stream");
  }
  if (const cublasStatus_t status = cublasLtCreate(&cublas_); status != CUBLAS_STATUS_SUCCESS) {
    cudnnDestroy(cudnn_);
    check(status, "start");
  }
}

Context::~Context() {
  cudaSetDevice(index_);
  cudaStreamSynchronize(stream_);
  cublasLtDestroy(cublas_);
  cudnnDestroy(cudnn_);
}

void Context::wait() const {
  refuse_while_recording("wait for the card");
  activate();
  check(cudaStreamSynchronize(stream_), "compute");
}

void Context::refuse_while_recording(const char* what) const {
  if (is_recording_) throw Error(ErrorCode::device_failure, "a graph cannot {}", what);
}

}  // namespace easel::cuda
