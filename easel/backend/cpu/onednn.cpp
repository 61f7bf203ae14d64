#include "easel/backend/cpu/onednn.h"

#include <omp.h>

#include <algorithm>
#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "easel/backend/cpu/instruction_limit.h"
#include "easel/backend/cpu/plain_weight.h"
#include "easel/base/error.h"

namespace easel::cpu {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;
using Dims = dnnl::memory::dims;

namespace {

// A primitive of the library, made once per shape and kept.
struct Primitive {
  dnnl::primitive primitive;
  Desc source_f32, source, weights_plain, weights, bias, destination;  // source: in bf16
  int weight_layout;      // names the packed form of the weights among those of one Parameter
  int residual_position;  // among the post-ops
};

// A weight in the order that a primitive computes with.
class OneDnnWeight : public PackedWeight {
 public:
  OneDnnWeight(Tensor storage, dnnl::memory memory) : storage_(std::move(storage)), memory_(std::move(memory)) {}
  const dnnl::memory& memory() const { return memory_; }

 private:
  Tensor storage_;
  dnnl::memory memory_;
};

dnnl::primitive_attr attributes(Activation activation, bool residual, const Desc& destination) {
  dnnl::post_ops post_ops;
  const auto eltwise = [&](dnnl::algorithm algorithm, float alpha) {
#if DNNL_VERSION_MAJOR >= 3
    post_ops.append_eltwise(algorithm, alpha, 0.0f);
#else
    post_ops.append_eltwise(1.0f, algorithm, alpha, 0.0f);
#endif
  };
  switch (activation) {
    case Activation::none: break;
    case Activation::silu: eltwise(dnnl::algorithm::eltwise_swish, 1.0f); break;
    case Activation::gelu: eltwise(dnnl::algorithm::eltwise_gelu_erf, 0.0f); break;
    case Activation::quick_gelu: eltwise(dnnl::algorithm::eltwise_swish, 1.702f); break;
    case Activation::relu: eltwise(dnnl::algorithm::eltwise_relu, 0.0f); break;
    case Activation::leaky_relu: eltwise(dnnl::algorithm::eltwise_relu, kLeakySlope); break;
  }
  if (residual) post_ops.append_binary(dnnl::algorithm::binary_add, destination);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops);
  return attributes;
}

auto convolution_desc(const dnnl::engine& engine, const Desc& source, const Desc& weights, const Desc& bias,
                      const Desc& destination, const Conv2dOptions& options, const dnnl::primitive_attr& attributes) {
  const Dims strides{options.stride, options.stride};
  const Dims before{options.padding.top, options.padding.left};
  const Dims after{options.padding.bottom, options.padding.right};
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::convolution_forward::primitive_desc(engine, kind, algorithm, source, weights, bias, destination, strides,
                                                   before, after, attributes);
#else
  return dnnl::convolution_forward::primitive_desc(
      {kind, algorithm, source, weights, bias, destination, strides, before, after}, attributes, engine);
#endif
}

auto matmul_desc(const dnnl::engine& engine, const Desc& source, const Desc& weights, const Desc& bias,
                 const Desc& destination, const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(engine, source, weights, bias, destination, attributes);
#else
  return dnnl::matmul::primitive_desc({source, weights, bias, destination}, attributes, engine);
#endif
}

// Runs `body`, turning the library's exceptions into Error.
template <typename Body>
auto guarded(const Body& body) {
  try {
    return body();
  } catch (const dnnl::error& failure) {
    const bool memory = failure.status == dnnl_out_of_memory;
    throw Error(memory ? ErrorCode::out_of_memory : ErrorCode::device_failure, "oneDNN: {}{}", failure.what(),
                memory ? "; use a smaller size or batch" : "");
  }
}

class OneDnn : public Bf16Products {
 public:
  void convolution(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                   Tensor& out) override;
  void matmul(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out) override;

 private:
  using Key = std::vector<int64_t>;
  template <typename Create>
  const Primitive& cached(const Key& key, const Create& create);
  void run(const Primitive& primitive, const Tensor& x, const Parameter& weight, const Parameter* bias,
           const std::optional<Tensor>& residual, Tensor& out);
  int layout_of(const Primitive& primitive);

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::vector<Desc> weight_layouts_;  // all packed forms met so far; their indices tell them apart in a Parameter
  std::mutex mutex_;
  std::map<Key, std::unique_ptr<Primitive>> primitives_;
};

template <typename Create>
const Primitive& OneDnn::cached(const Key& key, const Create& create) {
  const std::lock_guard lock(mutex_);
  auto& slot = primitives_[key];
  if (!slot) {
    auto made = std::make_unique<Primitive>(guarded(create));
    made->weight_layout = layout_of(*made);
    slot = std::move(made);
  }
  return *slot;
}

int OneDnn::layout_of(const Primitive& primitive) {
  const auto found = std::find(weight_layouts_.begin(), weight_layouts_.end(), primitive.weights);
  const auto index = found - weight_layouts_.begin();
  if (found == weight_layouts_.end()) weight_layouts_.push_back(primitive.weights);
  return kPlainLayout + 1 + static_cast<int>(index);
}

void OneDnn::convolution(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                         Tensor& out) {
  const Shape& kernel = weight.shape();
  const Padding& padding = options.padding;
  const Key key{0,
                x.dim(0),
                x.dim(1),
                x.dim(2),
                x.dim(3),
                kernel[0],
                kernel[2],
                kernel[3],
                options.stride,
                padding.top,
                padding.bottom,
                padding.left,
                padding.right,
                bias != nullptr,
                static_cast<int64_t>(options.activation),
                options.residual.has_value()};
  const Primitive& primitive = cached(key, [&] {
    Primitive made;
    made.source_f32 = Desc({x.dim(0), x.dim(3), x.dim(1), x.dim(2)}, Type::f32, Tag::nhwc);
    made.source = Desc({x.dim(0), x.dim(3), x.dim(1), x.dim(2)}, Type::bf16, Tag::nhwc);
    made.destination = Desc({out.dim(0), out.dim(3), out.dim(1), out.dim(2)}, Type::f32, Tag::nhwc);
    made.weights_plain = Desc({kernel[0], kernel[1], kernel[2], kernel[3]}, Type::f32, Tag::oihw);
    made.bias = bias == nullptr ? Desc() : Desc({kernel[0]}, Type::f32, Tag::a);
    const Desc any({kernel[0], kernel[1], kernel[2], kernel[3]}, Type::bf16, Tag::any);
    const auto desc = convolution_desc(engine_, made.source, any, made.bias, made.destination, options,
                                       attributes(options.activation, options.residual.has_value(), made.destination));
    made.weights = desc.weights_desc();
    made.primitive = dnnl::convolution_forward(desc);
    made.residual_position = options.activation == Activation::none ? 0 : 1;
    return made;
  });
  run(primitive, x, weight, bias, options.residual, out);
}

void OneDnn::matmul(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
                    Tensor& out) {
  const int64_t d_in = x.dim(-1);
  const int64_t d_out = weight.shape().dim(0);
  const int64_t rows = x.count() / d_in;
  const Key key{
      1, rows, d_in, d_out, bias != nullptr, static_cast<int64_t>(options.activation), options.residual.has_value()};
  const Primitive& primitive = cached(key, [&] {
    Primitive made;
    made.source_f32 = Desc({rows, d_in}, Type::f32, Tag::ab);
    made.source = Desc({rows, d_in}, Type::bf16, Tag::ab);
    made.destination = Desc({rows, d_out}, Type::f32, Tag::ab);
    made.weights_plain = Desc({d_in, d_out}, Type::f32, Tag::ba);  // [d_out, d_in] read as its transpose
    made.bias = bias == nullptr ? Desc() : Desc({1, d_out}, Type::f32, Tag::ab);
    const auto desc =
        matmul_desc(engine_, made.source, Desc({d_in, d_out}, Type::bf16, Tag::any), made.bias, made.destination,
                    attributes(options.activation, options.residual.has_value(), made.destination));
    made.weights = desc.weights_desc();
    made.primitive = dnnl::matmul(desc);
    made.residual_position = options.activation == Activation::none ? 0 : 1;
    return made;
  });
  run(primitive, x, weight, bias, options.residual, out);
}

void OneDnn::run(const Primitive& primitive, const Tensor& x, const Parameter& weight, const Parameter* bias,
                 const std::optional<Tensor>& residual, Tensor& out) {
  const dnnl::engine& engine = engine_;
  const Device& device = x.device();
  const auto wrap = [&](const Desc& desc, const Tensor& tensor) {
    return dnnl::memory(desc, engine, const_cast<float*>(tensor.data().data()));
  };
  guarded([&] {
    const auto packed = weight.packed(primitive.weight_layout, [&]() -> std::shared_ptr<const PackedWeight> {
      const Tensor plain = unpack(weight, device);
      const auto size = primitive.weights.get_size();
      const auto floats = static_cast<int64_t>((size + sizeof(float) - 1) / sizeof(float));
      Tensor storage = Tensor::empty(device, {floats});
      dnnl::memory memory = wrap(primitive.weights, storage);
      dnnl::memory source = wrap(primitive.weights_plain, plain);
      dnnl::reorder(source, memory).execute(stream_, source, memory);
      stream_.wait();
      return std::make_shared<OneDnnWeight>(std::move(storage), std::move(memory));
    });
    const dnnl::memory& weights = static_cast<const OneDnnWeight&>(*packed).memory();
    const auto floats = static_cast<int64_t>((primitive.source.get_size() + sizeof(float) - 1) / sizeof(float));
    Tensor rounded = Tensor::empty(device, {floats});
    dnnl::memory x_memory = wrap(primitive.source_f32, x);
    dnnl::memory source = wrap(primitive.source, rounded);
    dnnl::reorder(x_memory, source).execute(stream_, x_memory, source);
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, wrap(primitive.destination, out)}};
    std::optional<Tensor> bias_values;  // alive until the stream has finished
    if (bias != nullptr) {
      bias_values = plain_values(*bias, device);
      arguments.emplace(DNNL_ARG_BIAS, wrap(primitive.bias, *bias_values));
    }
    if (residual) {
      arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(primitive.residual_position) | DNNL_ARG_SRC_1,
                        wrap(primitive.destination, *residual));
    }
    primitive.primitive.execute(stream_, arguments);
    stream_.wait();
  });
}

// Instruction sets are sets of bits.
bool has(dnnl::cpu_isa wanted) {
  const auto bits = static_cast<unsigned>(wanted);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

// Once, before the library is asked for anything.
void limit_instructions() {
  [[maybe_unused]] static const bool once = [] {
    switch (instruction_limit()) {
      case InstructionLimit::none: break;
      case InstructionLimit::avx2: dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2); break;
      case InstructionLimit::sse4: dnnl::set_max_cpu_isa(dnnl::cpu_isa::sse41); break;
    }
    return true;
  }();
}

}  // namespace

Bf16Support bf16_support() {
  limit_instructions();
  return {.unusable_because = has(dnnl::cpu_isa::avx512_core) ? "" : "this processor has no AVX-512",
          .is_fast = has(dnnl::cpu_isa::avx512_core_bf16),
          .beats_winograd = has(dnnl::cpu_isa::avx512_core_amx)};
}

std::unique_ptr<Bf16Products> open_bf16_products() {
  if (!bf16_support().unusable_because.empty()) return nullptr;
  return guarded([] { return std::make_unique<OneDnn>(); });
}

std::function<void()> large_product(int64_t size, int threads) {
  using Memory = dnnl::memory;
  limit_instructions();
  return guarded([&]() -> std::function<void()> {
    omp_set_num_threads(threads);
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    const auto plain = Desc({size, size}, Type::f32, Tag::ab);
    const auto desc = matmul_desc(engine, plain, Desc({size, size}, Type::f32, Tag::any), Desc(), plain, {});
    const auto filled = [&](const Desc& layout) {
      Memory memory(layout, engine);
      auto* const values = static_cast<float*>(memory.get_data_handle());
      std::fill(values, values + layout.get_size() / sizeof(float), 0.01f);
      return memory;
    };
    const std::unordered_map<int, Memory> arguments{{DNNL_ARG_SRC, filled(desc.src_desc())},
                                                    {DNNL_ARG_WEIGHTS, filled(desc.weights_desc())},
                                                    {DNNL_ARG_DST, filled(desc.dst_desc())}};
    return [stream, arguments, matmul = dnnl::matmul(desc)]() mutable {
      guarded([&] {
        matmul.execute(stream, arguments);
        stream.wait();
      });
    };
  });
}

}  // namespace easel::cpu
