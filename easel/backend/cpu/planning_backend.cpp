#include "easel/backend/cpu/planning_backend.h"

#include <algorithm>

#include "easel/backend/convolution_shapes.h"
#include "easel/backend/cpu/attention.h"
#include "easel/backend/cpu/bf16.h"
#include "easel/backend/cpu/direct_conv.h"
#include "easel/backend/cpu/int16_attention.h"
#include "easel/backend/cpu/int8_conv.h"
#include "easel/backend/cpu/int8_weight.h"
#include "easel/backend/cpu/linear.h"
#include "easel/backend/cpu/winograd.h"

namespace easel::cpu {
namespace {

constexpr int64_t kChannelBlock = 16;  // to whole blocks of which 8-bit weights are padded
constexpr int64_t kBf16Block = 64;     // the same of oneDNN's
constexpr int64_t kChunkPixels = 64;   // of group_norm

int64_t whole_blocks(int64_t channels, int64_t block = kChannelBlock) { return (channels + block - 1) / block * block; }

// Takes the memory of tensors that live during one operation.
void take(const Device& device, std::initializer_list<int64_t> floats) {
  std::vector<Tensor> tensors;
  for (const int64_t count : floats) tensors.push_back(Tensor::empty(device, {count}));
}

}  // namespace

class PlanningBackend::Reading {
 public:
  Reading(PlanningBackend& backend, const Parameter& weight)
      : backend_(backend), bytes_(static_cast<int64_t>(weight.bytes().size())) {
    stays_ = weight.residency() == Residency::packed;
    if (stays_ && !backend_.read_.emplace(weight.bytes().data(), weight.bytes().size()).second) bytes_ = 0;
    backend_.allocator_.hold(bytes_);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() {
    if (!stays_) backend_.allocator_.hold(-bytes_);
  }

 private:
  PlanningBackend& backend_;
  int64_t bytes_;
  bool stays_;
};

void PlanningBackend::pack(const Parameter& weight, std::optional<int64_t> packed_floats, const Device& device) {
  if (packed_.contains(weight.bytes().data())) return;
  const auto bytes = static_cast<int64_t>(weight.bytes().size());
  allocator_.hold(bytes);
  std::optional<Tensor> unpacked;
  if (packed_floats) unpacked = Tensor::empty(device, weight.shape());
  const Tensor packed = Tensor::empty(device, {packed_floats.value_or(weight.shape().count())});
  allocator_.hold(-bytes);
  if (weight.residency() == Residency::packed) packed_.emplace(weight.bytes().data(), packed);
}

void PlanningBackend::take_int8(const Tensor& x, const Parameter& weight) {
  constexpr int64_t kNumbersPerRow = 2;  // a scale and a zero point or a sum
  const int64_t taps = weight.shape().rank() == 4 ? weight.shape()[2] * weight.shape()[3] : 1;
  const int64_t integers =
      whole_blocks(whole_blocks(weight.shape().dim(0))) * whole_blocks(weight.shape().dim(1)) * taps;
  const Device& device = x.device();
  const Tensor rows = Tensor::empty(device, {(x.count() + 3) / 4 + kNumbersPerRow * (x.count() / x.dim(-1))});
  if (packed_.contains(weight.bytes().data())) return;
  const auto bytes = static_cast<int64_t>(weight.bytes().size());
  allocator_.hold(bytes);
  const Tensor packed = Tensor::empty(device, {integers / 4 + kNumbersPerRow * taps * (weight.shape().dim(0) + 32)});
  allocator_.hold(-bytes);
  if (weight.residency() == Residency::packed) packed_.emplace(weight.bytes().data(), packed);
}

void PlanningBackend::take_bf16(const Tensor& x, const Parameter& weight) {
  const Shape& shape = weight.shape();
  const int64_t padded = whole_blocks(shape[0], kBf16Block) * whole_blocks(shape[1], kBf16Block);
  pack(weight, padded * (shape.count() / (shape[0] * shape[1])) / 2, x.device());
  take(x.device(), {bf16_floats(x)});
}

void PlanningBackend::conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias,
                             const Conv2dOptions& options, Tensor& out) {
  const Device& device = x.device();
  if (bias != nullptr) plain(*bias, device);
  if (int8_conv_applies(x, weight, options) && uses_int8(reduced_, weight)) return take_int8(x, weight);
  const bool is_bf16 = uses_bf16(reduced_, weight);
  if (winograd_applies(x, weight, options) && !(is_bf16 && bf16_support().beats_winograd)) {
    const Reading reading(*this, weight);
    const WinogradMemory memory = winograd_memory(threads_, x, out);
    return take(device, {memory.points_floats, memory.scratch_floats});
  }
  if (is_pointwise(weight, options) && !options.image_bias) return linear(x, weight, nullptr, {}, out);
  std::optional<Tensor> wrapped;
  if (options.padding.mode == PaddingMode::circular) {
    wrapped = Tensor::empty(device, padded_shape(x, options.padding));
  }
  if (is_bf16) return take_bf16(wrapped ? *wrapped : x, weight);
  const Reading reading(*this, weight);
  take(device, {direct_conv_scratch_floats(threads_, out, weight)});
}

void PlanningBackend::linear(const Tensor& x, const Parameter& weight, const Parameter* bias,
                             const LinearOptions& /*options*/, Tensor& /*out*/) {
  if (bias != nullptr) plain(*bias, x.device());
  if (uses_int8(reduced_, weight)) return take_int8(x, weight);
  if (uses_bf16(reduced_, weight)) return take_bf16(x, weight);
  const Reading reading(*this, weight);
  take(x.device(), {linear_scratch_floats(threads_, x, weight.shape().dim(0), /*geglu=*/false)});
}

void PlanningBackend::linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& /*out*/) {
  plain(bias, x.device());
  if (uses_int8(reduced_, weight)) return take_int8(x, weight);
  if (uses_bf16(reduced_, weight)) {
    const Tensor products = Tensor::empty(x.device(), {bf16_geglu_floats(x, weight)});
    return take_bf16(x, weight);
  }
  const Reading reading(*this, weight);
  take(x.device(), {linear_scratch_floats(threads_, x, weight.shape().dim(0) / 2, /*geglu=*/true)});
}

void PlanningBackend::attention(const Tensor& q, const Tensor& k, const Tensor& /*v*/, const AttentionOptions& options,
                                Tensor& /*out*/) {
  const AttentionMemory memory = reduced_.allows && int16_attention_applies(q, k, options)
                                     ? int16_attention_memory(threads_, q, k, options.heads)
                                     : attention_memory(threads_, q, k, options.heads);
  take(q.device(), {memory.packed_floats, memory.scratch_floats});
}

void PlanningBackend::group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t /*groups*/,
                                 float /*epsilon*/, Activation /*activation*/, Tensor& /*out*/) {
  plain(weight, x.device());
  plain(bias, x.device());
  const int64_t c = x.dim(-1);
  take(x.device(), {4 * c, 2 * c, (x.count() / (x.dim(0) * c) + kChunkPixels - 1) / kChunkPixels * 2 * c});
}

void PlanningBackend::channel_sums(const Tensor& x, const Tensor& /*pivot*/, const Tensor* /*before*/,
                                   Tensor& /*sums*/) {
  const int64_t c = x.dim(-1);
  take(x.device(), {(x.count() / c + kChunkPixels - 1) / kChunkPixels * 2 * c});
}

void PlanningBackend::group_norm_scales(const Tensor& sums, const Tensor& /*pivot*/, int64_t /*pixels*/,
                                        const Parameter& weight, const Parameter& bias, int64_t /*groups*/,
                                        float /*epsilon*/, Tensor& /*out*/) {
  plain(weight, sums.device());
  plain(bias, sums.device());
}

void PlanningBackend::layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float /*epsilon*/,
                                 Tensor& /*out*/) {
  plain(weight, x.device());
  plain(bias, x.device());
}

// Of the table only the rows of the tokens are read.
void PlanningBackend::embedding(const Tensor& /*ids*/, const Parameter& /*table*/, Tensor& /*out*/) {}

}  // namespace easel::cpu
