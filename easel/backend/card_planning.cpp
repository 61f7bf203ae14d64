#include "easel/backend/card_planning.h"

#include "easel/backend/card_numbers.h"
#include "easel/backend/convolution_shapes.h"

namespace easel {
namespace {

// x as the operation takes it: of its type, if it is of another one.
std::optional<Tensor> converted(const Tensor& x, DType type) {
  return x.dtype() == type ? std::nullopt : std::optional(Tensor::empty(x.device(), x.shape(), type));
}

}  // namespace

Tensor CardPlanningBackend::take(const Parameter& weight, int64_t elements, const Device& device) {
  return take_as(weight, elements, activation_type(), device);
}

// A byte each, and a scale for each row behind them.
Tensor CardPlanningBackend::take_codes(const Parameter& weight, const Device& device) {
  const int64_t scale_bytes = weight.shape()[0] * size_of(DType::f32);
  return take_as(weight, weight.shape().count() + scale_bytes, DType::u8, device);
}

Tensor CardPlanningBackend::take_as(const Parameter& weight, int64_t elements, DType type, const Device& device) {
  const std::pair key(weight.bytes().data(), type);
  if (const auto kept = kept_.find(key); kept != kept_.end()) return kept->second;
  if (const auto bytes = static_cast<int64_t>(weight.bytes().size()); bytes > slot_bytes_) {
    slots_.reset();
    slots_ = Tensor::empty(device, {2 * bytes}, DType::u8);
    slot_bytes_ = bytes;
  }
  Tensor out = Tensor::empty(device, {elements}, type);
  if (weight.residency() == Residency::packed) kept_.emplace(key, out);
  return out;
}

void CardPlanningBackend::take_workspace(const Device& device) {
  if (!workspace_) workspace_ = Tensor::empty(device, {card::kWorkspaceBytes}, DType::u8);
}

void CardPlanningBackend::conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias,
                                 const Conv2dOptions& options, Tensor& out) {
  if (is_pointwise(weight, options) && !options.image_bias) return linear(x, weight, bias, {}, out);
  const Device& device = x.device();
  const DType type = activation_type();
  take_workspace(device);
  const Shape& kernel = weight.shape();
  const int64_t c_in = card::whole_groups(kernel[1]);
  const int64_t c_out = card::whole_groups(kernel[0]);
  const Tensor packed = take(weight, c_out * kernel[2] * kernel[3] * c_in, device);
  std::optional<Tensor> shift;
  if (bias != nullptr) shift = take(*bias, device);
  const std::optional<Tensor> same_type = converted(x, type);
  std::optional<Tensor> padded;
  if (card::pads_before(options.padding)) padded = Tensor::empty(device, padded_shape(x, options.padding), type);
  std::optional<Tensor> widened;
  if (c_in != kernel[1]) {
    const Tensor& from = padded ? *padded : x;
    widened = Tensor::empty(device, {from.dim(0), from.dim(1), from.dim(2), c_in}, type);
  }
  std::optional<Tensor> wide_out;
  if (c_out != kernel[0]) wide_out = Tensor::empty(device, {out.dim(0), out.dim(1), out.dim(2), c_out}, type);
  if (options.image_bias) Tensor::empty(device, options.image_bias->shape());
}

void CardPlanningBackend::linear(const Tensor& x, const Parameter& weight, const Parameter* bias,
                                 const LinearOptions& /*options*/, Tensor& /*out*/) {
  take_workspace(x.device());
  if (card::multiplies_eight_bits(reduced_, weight, x.dim(-1))) return take_eight_bits(x, weight, bias);
  const Tensor packed = take(weight, x.device());
  std::optional<Tensor> shift;
  if (bias != nullptr) shift = take(*bias, x.device());
  const std::optional<Tensor> same_type = converted(x, activation_type());
}

// The sums, of which a card that scales them at once has none.
void CardPlanningBackend::take_eight_bits(const Tensor& x, const Parameter& weight, const Parameter* bias) {
  const Device& device = x.device();
  const int64_t rows = x.count() / x.dim(-1);
  const int64_t d_out = weight.shape()[0];
  const Tensor codes = Tensor::empty(device, x.shape(), DType::u8);
  const Tensor scales = Tensor::empty(device, {rows});
  const Tensor packed = take_codes(weight, device);
  std::optional<Tensor> shift;
  if (bias != nullptr) shift = take(*bias, device);
  const Tensor sums = Tensor::empty(device, {card::rows_of_sums(rows, d_out), d_out}, DType::i32);
}

void CardPlanningBackend::linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) {
  const bool has_codes = card::multiplies_eight_bits(reduced_, weight, x.dim(-1));
  if (has_codes && reduced_.numbers == ReducedNumbers::int8) return linear(x, weight, &bias, {}, out);
  std::vector<int64_t> dims(out.shape().dims().begin(), out.shape().dims().end());
  dims.back() *= 2;
  Tensor both = Tensor::empty(x.device(), Shape(dims), activation_type());
  linear(x, weight, &bias, {}, both);
}

void CardPlanningBackend::attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& /*options*/, Tensor& /*out*/) {
  take_workspace(q.device());
  const std::optional<Tensor> same_types[] = {converted(q, activation_type()), converted(k, activation_type()),
                                              converted(v, activation_type())};
}

void CardPlanningBackend::group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias,
                                     int64_t /*groups*/, float /*epsilon*/, Activation /*activation*/,
                                     Tensor& /*out*/) {
  take(weight, x.device());
  take(bias, x.device());
  const std::optional<Tensor> same_type = converted(x, activation_type());
}

void CardPlanningBackend::group_norm_scales(const Tensor& sums, const Tensor& /*pivot*/, int64_t /*pixels*/,
                                            const Parameter& weight, const Parameter& bias, int64_t /*groups*/,
                                            float /*epsilon*/, Tensor& /*out*/) {
  take(weight, sums.device());
  take(bias, sums.device());
}

void CardPlanningBackend::layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float /*epsilon*/,
                                     Tensor& /*out*/) {
  take(weight, x.device());
  take(bias, x.device());
  const std::optional<Tensor> same_type = converted(x, activation_type());
}

// The rows of the tokens are unpacked one by one, and only they are uploaded.
void CardPlanningBackend::embedding(const Tensor& /*ids*/, const Parameter& /*table*/, Tensor& /*out*/) {}

}  // namespace easel
