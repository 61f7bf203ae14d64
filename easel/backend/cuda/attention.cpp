#include "easel/backend/cuda/attention.h"

#include <cmath>

namespace easel::cuda {
namespace {

constexpr int64_t kMaxHeadDim = 128;
constexpr int64_t kHeadDimGroup = 8;
constexpr int kFirstCapability = 80;  // of cards that have it

enum Id : int64_t { kQ = 1, kK, kV, kOut, kScale };

// [n, heads, tokens, head_dim] of numbers that lie as [n, tokens, heads, head_dim]
GraphTensor of_heads(int64_t id, const AttentionSizes& sizes, int64_t tokens, cudnnDataType_t type) {
  const int64_t width = sizes.heads * sizes.head_dim;
  return {.id = id,
          .dims = {sizes.n, sizes.heads, tokens, sizes.head_dim},
          .strides = {tokens * width, sizes.head_dim, width, 1},
          .type = type};
}

// Nothing where this cuDNN does not know the operation.
std::shared_ptr<const GraphOperations> build(const AttentionSizes& sizes, cudnnDataType_t type) {
  cudnnBackendDescriptor_t handle = nullptr;
  if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR, &handle) != CUDNN_STATUS_SUCCESS) {
    return nullptr;
  }
  Descriptor operation = Descriptor::adopt(handle);
  const auto operations = std::make_shared<GraphOperations>();
  const auto tensor = [&](const GraphTensor& described) -> const Descriptor& {
    return operations->keep(make_tensor(described));
  };
  const std::pair<cudnnBackendAttributeName_t, GraphTensor> tensors[] = {
      {CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, of_heads(kQ, sizes, sizes.queries, type)},
      {CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, of_heads(kK, sizes, sizes.keys, type)},
      {CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, of_heads(kV, sizes, sizes.keys, type)},
      {CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, of_heads(kOut, sizes, sizes.queries, type)},
      {CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC,
       {.id = kScale, .dims = {1, 1, 1, 1}, .strides = {1, 1, 1, 1}, .type = CUDNN_DATA_FLOAT, .is_by_value = true}}};
  for (const auto& [name, described] : tensors) {
    if (operation.try_set(name, tensor(described)) != CUDNN_STATUS_SUCCESS) return nullptr;
  }
  if (operation.try_finalize() != CUDNN_STATUS_SUCCESS) return nullptr;
  operations->keep_operation(std::move(operation));
  return operations;
}

}  // namespace

bool FusedAttention::run(const Context& context, const AttentionSizes& sizes, Source q, Source k, Source v, Target out,
                         void* workspace, int64_t workspace_bytes) {
  const bool is_half = out.type == DType::f16 || out.type == DType::bf16;
  if (!is_half || context.compute_capability() < kFirstCapability || sizes.head_dim > kMaxHeadDim ||
      sizes.head_dim % kHeadDimGroup != 0) {
    return false;
  }
  const Key key{sizes.n, sizes.queries, sizes.keys, sizes.heads, sizes.head_dim, out.type};
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    std::optional<GraphPlan> plan;
    if (auto operations = build(sizes, cudnn_type(out.type))) {
      plan = GraphPlan::find(context, std::move(operations), {.workspace_bytes = workspace_bytes});
    }
    found = plans_.emplace(key, std::move(plan)).first;
  }
  if (!found->second) return false;
  float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sizes.head_dim)));
  const auto address = [](const void* pointer) { return const_cast<void*>(pointer); };  // only kOut is written
  const GraphPlan::Address addresses[] = {
      {kQ, address(q.data)}, {kK, address(k.data)}, {kV, address(v.data)}, {kOut, out.data}, {kScale, &scale}};
  found->second->run(context, addresses, workspace);
  return true;
}

}  // namespace easel::cuda
