// cuDNN's graphs: descriptors that free themselves, tensors, operations and the plans that compute them.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "easel/backend/cuda/context.h"
#include "easel/tensor/dtype.h"

namespace easel::cuda {

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                  const void* values);
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<const int64_t> values);
  Descriptor& set(cudnnBackendAttributeName_t name, int64_t value) { return set(name, std::span(&value, 1)); }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value);
  Descriptor& set_type(cudnnBackendAttributeName_t name, cudnnDataType_t value);
  Descriptor& set_flag(cudnnBackendAttributeName_t name, bool value);
  Descriptor& finalize();
  static Descriptor adopt(cudnnBackendDescriptor_t handle) { return Descriptor(handle); }
  cudnnStatus_t try_set(cudnnBackendAttributeName_t name, const Descriptor& value);
  cudnnStatus_t try_finalize() { return cudnnBackendFinalize(handle_); }

  cudnnBackendDescriptor_t get() const { return handle_; }

 private:
  explicit Descriptor(cudnnBackendDescriptor_t handle) : handle_(handle) {}

  cudnnBackendDescriptor_t handle_ = nullptr;
};

cudnnDataType_t cudnn_type(DType type);

struct GraphTensor {
  int64_t id;  // in the plan's list of addresses
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
  cudnnDataType_t type;
  bool is_virtual = false;   // between two operations, never in memory
  bool is_by_value = false;  // one number, on the host
};
Descriptor make_tensor(const GraphTensor& tensor);
// [n, c, h, w] of numbers that lie as [n, h, w, c]
GraphTensor channels_last(int64_t id, int64_t n, int64_t h, int64_t w, int64_t c, cudnnDataType_t type);

// The operations of a graph, with all descriptors that they refer to.
class GraphOperations {
 public:
  const Descriptor& keep(Descriptor descriptor) { return kept_.emplace_back(std::move(descriptor)); }
  void keep_operation(Descriptor descriptor) { handles_.push_back(keep(std::move(descriptor)).get()); }
  std::span<const cudnnBackendDescriptor_t> handles() const { return handles_; }

 private:
  std::deque<Descriptor> kept_;  // which stay where they are
  std::vector<cudnnBackendDescriptor_t> handles_;
};

// y = mode(x) or mode(x, b); `slope` of a leaky ReLU
struct Pointwise {
  cudnnPointwiseMode_t mode;
  const Descriptor& x;
  const Descriptor* b;
  const Descriptor& y;
  std::optional<double> slope = std::nullopt;
};
void add_pointwise(GraphOperations& operations, const Pointwise& pointwise);

// What a plan may not do.
struct PlanLimits {
  bool allow_tf32 = false;  // of f32
  int64_t workspace_bytes = 0;
};

// A graph that was found computable, for many runs.
class GraphPlan {
 public:
  // The first of cuDNN's suggestions that keeps to the limits; nothing if there is none.
  static std::optional<GraphPlan> find(const Context& context, std::shared_ptr<const GraphOperations> operations,
                                       const PlanLimits& limits);

  int64_t workspace_bytes() const { return workspace_bytes_; }
  struct Address {
    int64_t id;
    void* data;
  };
  void run(const Context& context, std::span<const Address> addresses, void* workspace) const;

 private:
  GraphPlan(std::shared_ptr<const GraphOperations> operations, Descriptor graph, Descriptor engine, Descriptor plan,
            int64_t workspace_bytes)
      : operations_(std::move(operations)),
        graph_(std::move(graph)),
        engine_(std::move(engine)),
        plan_(std::move(plan)),
        workspace_bytes_(workspace_bytes) {}

  std::shared_ptr<const GraphOperations> operations_;
  Descriptor graph_;
  Descriptor engine_;
  Descriptor plan_;
  int64_t workspace_bytes_;
};

}  // namespace easel::cuda
