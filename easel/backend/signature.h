// Signature: a number that tells operations apart. Private to easel/backend.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>

#include "easel/backend/options.h"
#include "easel/tensor/parameter.h"
#include "easel/tensor/tensor.h"

namespace easel {

// Of everything that decides what an operation does: its kind, options, and where it reads and writes. 64 bits, mixed
// as MurmurHash3 finalises (Appleby 2008).
class Signature {
 public:
  explicit Signature(uint64_t kind) { mix(kind); }

  uint64_t value() const { return value_; }

  template <std::integral T>
  Signature& add(T number) {
    return mix(static_cast<uint64_t>(number));
  }
  template <typename T>
  requires std::is_enum_v<T> Signature& add(T value) { return mix(static_cast<uint64_t>(value)); }
  Signature& add(float number) { return mix(std::bit_cast<uint32_t>(number)); }
  Signature& add(const void* address) { return mix(reinterpret_cast<uintptr_t>(address)); }
  Signature& add(const Shape& shape) {
    mix(static_cast<uint64_t>(shape.rank()));
    for (const int64_t dim : shape.dims()) add(dim);
    return *this;
  }
  Signature& add(const Tensor& tensor) { return add(tensor.address()).add(tensor.dtype()).add(tensor.shape()); }
  Signature& add(const Tensor* tensor) { return tensor == nullptr ? mix(0) : add(*tensor); }
  Signature& add(const std::optional<Tensor>& tensor) { return add(tensor ? &*tensor : nullptr); }
  Signature& add(const Parameter& weight) {
    return add(weight.bytes().data()).add(weight.dtype()).add(weight.residency()).add(weight.shape());
  }
  Signature& add(const Parameter* weight) { return weight == nullptr ? mix(0) : add(*weight); }
  Signature& add(const Padding& padding) {
    return add(padding.top).add(padding.bottom).add(padding.left).add(padding.right).add(padding.mode);
  }

 private:
  Signature& mix(uint64_t number) {
    value_ = (value_ ^ number) + 0x9e3779b97f4a7c15;
    value_ = (value_ ^ (value_ >> 33)) * 0xff51afd7ed558ccd;
    value_ = (value_ ^ (value_ >> 33)) * 0xc4ceb9fe1a85ec53;
    value_ ^= value_ >> 33;
    return *this;
  }

  uint64_t value_ = 0;
};

}  // namespace easel
