// One card, its streams and the handles of its libraries.
#pragma once

#include "easel/backend/cuda/status.h"

namespace easel::cuda {

class OwnedStream {
 public:
  OwnedStream();
  ~OwnedStream();
  OwnedStream(const OwnedStream&) = delete;
  OwnedStream& operator=(const OwnedStream&) = delete;
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream);           // behind all that is on the stream
  void hold_back(cudaStream_t stream) const;  // what comes on the stream waits for the record
  void wait() const;                          // the host waits for it

 private:
  cudaEvent_t event_ = nullptr;
};

// For one card; computes on one stream. Not thread-safe, but any thread may use it after activate().
class Context {
 public:
  // Throws Error device_failure.
  explicit Context(int index);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // What this thread calls goes to this card from now on.
  void activate() const { check(cudaSetDevice(index_), "choose the card"); }
  void wait() const;  // for all that is on the stream

  // While a graph is recorded, nothing on the stream is computed: what needs the card, or the host meanwhile, throws
  // Error device_failure that names `what` was to be done.
  void set_recording(bool is_recording) { is_recording_ = is_recording; }
  void refuse_while_recording(const char* what) const;

  int index() const { return index_; }
  cudaStream_t stream() const { return stream_; }
  cudnnHandle_t cudnn() const { return cudnn_; }
  cublasLtHandle_t cublas() const { return cublas_; }
  int compute_capability() const { return compute_capability_; }  // 90 for 9.0

 private:
  // Chooses the card before streams are made.
  struct Chosen {
    explicit Chosen(int index) { check(cudaSetDevice(index), "choose the card"); }
  };

  int index_;
  Chosen chosen_;
  int compute_capability_ = 0;
  bool is_recording_ = false;
  OwnedStream stream_;
  cudnnHandle_t cudnn_ = nullptr;
  cublasLtHandle_t cublas_ = nullptr;
};

}  // namespace easel::cuda
