// The operations of the test card, computed by the processor.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "easel/backend/backend.h"
#include "easel/backend/devices.h"
#include "tests/plugins/card_tape.h"

namespace easel::testing {

// Each operation: its tensors to the host, there by the processor, the result back.
class CardBackend : public Backend {
 public:
  CardBackend(DType activation_type, std::shared_ptr<CardTape> tape)
      : type_(activation_type), tape_(std::move(tape)), host_(open_device({.threads = 2})) {}

  DType activation_type() const override { return is_wide_ && type_ == DType::f16 ? DType::f32 : type_; }
  void set_range(ValueRange range) override { is_wide_ = range == ValueRange::wide; }
  void wait() override { tape_->require_time(); }

  void conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
              Tensor& out) override;
  void linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out) override;
  void linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) override;
  void attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Tensor& out) override;
  void group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation, Tensor& out) override;
  void channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) override;
  void group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                         const Parameter& bias, int64_t groups, float epsilon, Tensor& out) override;
  void scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) override;
  void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon, Tensor& out) override;
  void embedding(const Tensor& ids, const Parameter& table, Tensor& out) override;
  void activate(const Tensor& x, Activation activation, Tensor& out) override;
  void copy(const Tensor& x, Tensor& out) override;
  void upsample_nearest_2x(const Tensor& x, Tensor& out) override;
  void resize(const Tensor& x, const ResizeOptions& options, Tensor& out) override;
  void max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) override;
  void concat_channels(const Tensor& a, const Tensor& b, Tensor& out) override;
  void combine(std::span<const Term> terms, float constant, Tensor& out) override;
  void multiply(const Tensor& a, const Tensor& b, Tensor& out) override;
  void clamp(const Tensor& x, float low, float high, Tensor& out) override;

 private:
  struct KeptWeight : PackedWeight {
    explicit KeptWeight(Tensor tensor) : tensor_(std::move(tensor)) {}
    Tensor tensor_;
  };
  // Where a tensor lies: it may be gone when a recording is run, the memory is not.
  struct Place {
    Allocator* memory;
    std::byte* address;
    Shape shape;
    DType dtype;
  };
  static Place lies(const Tensor& x) { return {&x.device().allocator(), x.address(), x.shape(), x.dtype()}; }
  static std::optional<Place> lies(const std::optional<Tensor>& x) {
    return x ? std::optional(lies(*x)) : std::nullopt;
  }
  // A weight, of which something is kept on the card if any may be, as long as it lives.
  const Parameter* used(const Parameter& weight, const Device& device) {
    if (weight.residency() == Residency::streamed) tape_->require_time();
    constexpr int kForm = 1000;
    weight.packed(kForm, [&]() -> std::shared_ptr<const PackedWeight> {
      tape_->require_time();
      return std::make_shared<KeptWeight>(Tensor::empty(device, {1}));
    });
    return &weight;
  }
  const Parameter* used(const Parameter* weight, const Device& device) {
    return weight == nullptr ? nullptr : used(*weight, device);
  }

  Backend& cpu() const { return host_->backend(); }
  static std::vector<std::byte> bytes(const Place& x) {
    std::vector<std::byte> bytes(static_cast<size_t>(x.shape.count() * size_of(x.dtype)));
    x.memory->read(x.address, bytes);
    return bytes;
  }
  Tensor host(const Place& x) const {
    Tensor out = Tensor::empty(*host_, x.shape);
    convert_to_f32(x.dtype, bytes(x), out.data());
    return out;
  }
  std::optional<Tensor> host(const std::optional<Place>& x) const { return x ? std::optional(host(*x)) : std::nullopt; }
  Tensor doubles(const Place& x) const {
    Tensor out = Tensor::empty(*host_, x.shape, DType::f64);
    x.memory->read(x.address, std::as_writable_bytes(out.data<double>()));
    return out;
  }
  template <typename Operation>
  void put(const Tensor& out, Operation operation) {
    tape_->put([this, to = lies(out), operation = std::move(operation)] {
      Tensor result = Tensor::empty(*host_, to.shape);
      operation(*this, result);
      std::vector<std::byte> bytes(static_cast<size_t>(to.shape.count() * size_of(to.dtype)));
      convert_from_f32(to.dtype, result.data(), bytes);
      to.memory->write(to.address, bytes);
    });
  }

  DType type_;
  bool is_wide_ = false;
  std::shared_ptr<CardTape> tape_;
  std::shared_ptr<const Device> host_;
};

}  // namespace easel::testing
