// CardPlanningBackend: takes the memory that a card's backend would take, and computes nothing.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "easel/backend/backend.h"
#include "easel/backend/reduced_products.h"

namespace easel {

// What both this and the cards' backends keep to.
namespace card {

// For convolutions and products, one buffer for all of them.
inline constexpr int64_t kWorkspaceBytes = 32 << 20;
// Tensor cores want whole groups of channels, so others are filled up with zeros.
inline constexpr int64_t kChannelGroup = 8;
inline int64_t whole_groups(int64_t channels) { return (channels + kChannelGroup - 1) / kChannelGroup * kChannelGroup; }
// Whether an image is padded on its own: a convolution's library adds zeros only, and as many on both sides.
inline bool pads_before(const Padding& padding) {
  return padding.mode == PaddingMode::circular || padding.top != padding.bottom || padding.left != padding.right;
}
// The type of results where numbers may be large and the device computes in `usual`.
inline DType wide_type(DType usual) { return usual == DType::f16 ? DType::f32 : usual; }

}  // namespace card

class CardPlanningBackend : public Backend {
 public:
  // reduced: as CardOptions has it
  explicit CardPlanningBackend(DType activation_type, ReducedProducts reduced = {})
      : type_(activation_type), reduced_(std::move(reduced)) {}

  DType activation_type() const override { return is_wide_ ? card::wide_type(type_) : type_; }
  void set_range(ValueRange range) override { is_wide_ = range == ValueRange::wide; }

  void conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
              Tensor& out) override;
  void linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out) override;
  void linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) override;
  void attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Tensor& out) override;
  void group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation, Tensor& out) override;
  void group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                         const Parameter& bias, int64_t groups, float epsilon, Tensor& out) override;
  void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon, Tensor& out) override;
  void embedding(const Tensor& ids, const Parameter& table, Tensor& out) override;
  void channel_sums(const Tensor&, const Tensor&, const Tensor*, Tensor&) override {}
  void scale_shift(const Tensor&, const Tensor&, Activation, Tensor&) override {}
  void activate(const Tensor&, Activation, Tensor&) override {}
  void copy(const Tensor&, Tensor&) override {}
  void upsample_nearest_2x(const Tensor&, Tensor&) override {}
  void resize(const Tensor&, const ResizeOptions&, Tensor&) override {}
  void max_pool(const Tensor&, const PoolOptions&, Tensor&) override {}
  void concat_channels(const Tensor&, const Tensor&, Tensor&) override {}
  void combine(std::span<const Term>, float, Tensor&) override {}
  void multiply(const Tensor&, const Tensor&, Tensor&) override {}
  void clamp(const Tensor&, float, float, Tensor&) override {}

 private:
  // The weight as the card computes with it, of so many elements: kept, or as long as the result lives.
  Tensor take(const Parameter& weight, int64_t elements, const Device& device);
  Tensor take(const Parameter& weight, const Device& device) { return take(weight, weight.shape().count(), device); }
  // The same of a weight of bytes.
  Tensor take_codes(const Parameter& weight, const Device& device);
  Tensor take_as(const Parameter& weight, int64_t elements, DType type, const Device& device);
  void take_workspace(const Device& device);
  void take_eight_bits(const Tensor& x, const Parameter& weight, const Parameter* bias);

  DType type_;
  ReducedProducts reduced_;
  bool is_wide_ = false;
  std::optional<Tensor> workspace_;
  int64_t slot_bytes_ = 0;
  std::optional<Tensor> slots_;  // that weights are copied through, two of the largest one's size
  std::map<std::pair<const std::byte*, DType>, Tensor> kept_;
};

}  // namespace easel
