#include "easel/backend/cuda/convolution.h"

#include "easel/base/error.h"

namespace easel::cuda {
namespace {

enum Id : int64_t { kX = 1, kWeight, kBias, kResidual, kOut, kFirstBetween };

std::optional<cudnnPointwiseMode_t> mode_of(Activation activation) {
  switch (activation) {
    case Activation::silu: return CUDNN_POINTWISE_SWISH_FWD;
    case Activation::gelu: return CUDNN_POINTWISE_GELU_FWD;
    case Activation::relu:
    case Activation::leaky_relu: return CUDNN_POINTWISE_RELU_FWD;
    case Activation::quick_gelu:
    case Activation::none: break;
  }
  return std::nullopt;
}

// Builds the graph of one convolution.
class GraphBuilder {
 public:
  explicit GraphBuilder(const ConvolutionShape& shape) : shape_(shape), type_(cudnn_type(shape.type)) {}

  std::shared_ptr<const GraphOperations> build() {
    int left =
        (shape_.adds_bias ? 1 : 0) + (shape_.activation != Activation::none ? 1 : 0) + (shape_.adds_residual ? 1 : 0);
    const Descriptor* h = &add_convolution(left == 0);
    if (shape_.adds_bias) h = &add({.mode = CUDNN_POINTWISE_ADD, .x = *h, .b = &bias(), .y = result(--left == 0)});
    if (shape_.activation != Activation::none) {
      h = &add({.mode = mode_of(shape_.activation).value(),
                .x = *h,
                .b = nullptr,
                .y = result(--left == 0),
                .slope = slope()});
    }
    if (shape_.adds_residual) add({.mode = CUDNN_POINTWISE_ADD, .x = *h, .b = &residual(), .y = result(--left == 0)});
    return operations_;
  }

 private:
  std::optional<double> slope() const {
    return shape_.activation == Activation::leaky_relu ? std::optional(double{kLeakySlope}) : std::nullopt;
  }
  const Descriptor& tensor(const GraphTensor& tensor) { return operations_->keep(make_tensor(tensor)); }
  GraphTensor of_result(int64_t id, cudnnDataType_t type) const {
    return channels_last(id, shape_.n, shape_.out_h(), shape_.out_w(), shape_.c_out, type);
  }
  // The graph's result, or f32 numbers between two operations.
  const Descriptor& result(bool is_last) {
    GraphTensor made = is_last ? of_result(kOut, type_) : of_result(next_between_++, CUDNN_DATA_FLOAT);
    made.is_virtual = !is_last;
    return tensor(made);
  }
  const Descriptor& bias() {
    return tensor(channels_last(kBias, shape_.bias_per_image ? shape_.n : 1, 1, 1, shape_.c_out, CUDNN_DATA_FLOAT));
  }
  const Descriptor& residual() { return tensor(of_result(kResidual, type_)); }

  const Descriptor& add(const Pointwise& pointwise) {
    add_pointwise(*operations_, pointwise);
    return pointwise.y;
  }

  const Descriptor& add_window() {
    const int64_t padding[] = {shape_.pad_h, shape_.pad_w};
    const int64_t strides[] = {shape_.stride, shape_.stride};
    const int64_t dilations[] = {1, 1};
    const auto mode = CUDNN_CROSS_CORRELATION;
    Descriptor window(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    window.set_type(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
        .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2)
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, padding)
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, padding)
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, strides)
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilations)
        .finalize();
    return operations_->keep(std::move(window));
  }

  const Descriptor& add_convolution(bool is_last) {
    const Descriptor& x = tensor(channels_last(kX, shape_.n, shape_.h, shape_.w, shape_.c_in, type_));
    const Descriptor& weight =
        tensor(channels_last(kWeight, shape_.c_out, shape_.kernel_h, shape_.kernel_w, shape_.c_in, type_));
    const Descriptor& y = result(is_last);
    const float one = 1.0f;
    const float zero = 0.0f;
    Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weight)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, add_window())
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero)
        .finalize();
    operations_->keep_operation(std::move(operation));
    return y;
  }

  ConvolutionShape shape_;
  cudnnDataType_t type_;
  std::shared_ptr<GraphOperations> operations_ = std::make_shared<GraphOperations>();
  int64_t next_between_ = kFirstBetween;
};

}  // namespace

const GraphPlan* Convolutions::plan(const Context& context, const ConvolutionShape& shape, int64_t workspace_bytes) {
  if (shape.activation != Activation::none && !mode_of(shape.activation)) return nullptr;
  auto found = plans_.find(shape);
  if (found == plans_.end()) {
    found = plans_
                .emplace(shape, GraphPlan::find(context, GraphBuilder(shape).build(),
                                                {.allow_tf32 = shape.allow_tf32, .workspace_bytes = workspace_bytes}))
                .first;
  }
  return found->second ? &*found->second : nullptr;
}

void Convolutions::run(const Context& context, const GraphPlan& plan, const ConvolutionShape& shape,
                       const ConvolutionData& data, void* workspace) {
  const auto address = [](const void* pointer) { return const_cast<void*>(pointer); };  // only kOut is written
  std::vector<GraphPlan::Address> addresses = {
      {kX, address(data.x)}, {kWeight, address(data.weight)}, {kOut, data.out}};
  if (shape.adds_bias) addresses.push_back({kBias, address(data.bias)});
  if (shape.adds_residual) addresses.push_back({kResidual, address(data.residual)});
  plan.run(context, addresses, workspace);
}

}  // namespace easel::cuda
