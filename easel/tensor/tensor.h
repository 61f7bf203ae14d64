// Tensor: a cheap handle on reference-counted, contiguous memory of one device.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "easel/base/error.h"
#include "easel/tensor/device.h"
#include "easel/tensor/dtype.h"
#include "easel/tensor/shape.h"

namespace easel {

class Tensor {
 public:
  // Memory is not initialised. Throws Error out_of_memory.
  static Tensor empty(const Device& device, Shape shape, DType dtype = DType::f32);
  static Tensor zeros(const Device& device, Shape shape);                                  // f32
  static Tensor from(const Device& device, Shape shape, std::span<const float> values);    // f32, copied
  static Tensor from(const Device& device, Shape shape, std::span<const int32_t> values);  // i32, copied

  const Shape& shape() const { return shape_; }
  int64_t dim(int index) const { return shape_.dim(index); }
  int64_t count() const { return count_; }
  DType dtype() const { return dtype_; }
  const Device& device() const { return storage_->device; }

  Tensor reshape(Shape shape) const;               // the same memory; the count must agree
  Tensor slice(int64_t begin, int64_t end) const;  // rows [begin, end) of the outermost dimension, the same memory
  Tensor clone() const;                            // a copy with memory of its own

  // Elements in memory order; where programs may touch the device's memory only, and T must match the dtype.
  template <typename T = float>
  std::span<T> data() {
    check_access(sizeof(T));
    return {reinterpret_cast<T*>(address_), static_cast<size_t>(count_)};
  }
  template <typename T = float>
  std::span<const T> data() const {
    check_access(sizeof(T));
    return {reinterpret_cast<const T*>(address_), static_cast<size_t>(count_)};
  }
  // Where the elements lie, for backends: memory of the device.
  std::byte* address() const { return address_; }

  // Copies on the host, from any device.
  std::vector<float> values() const;                         // of f32, f16 and bf16
  std::function<std::vector<float>()> start_values() const;  // what gives them; the device goes on meanwhile
  std::vector<int32_t> integers() const;                     // of i32

 private:
  struct Storage {
    Storage(const Device& on, uint64_t bytes);
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;
    ~Storage();

    const Device& device;
    uint64_t bytes;
    std::byte* address;
  };

  Tensor(std::shared_ptr<Storage> storage, std::byte* address, Shape shape, DType dtype)
      : storage_(std::move(storage)), address_(address), shape_(shape), count_(shape.count()), dtype_(dtype) {}
  void check_access(size_t element_bytes) const {
    EASEL_ASSERT(storage_->device.kind() == DeviceKind::cpu);
    EASEL_ASSERT(static_cast<int64_t>(element_bytes) == size_of(dtype_));
  }
  uint64_t size_bytes() const { return static_cast<uint64_t>(count_ * size_of(dtype_)); }
  void read(std::span<std::byte> host) const;
  void write(std::span<const std::byte> host) { device().allocator().write(address_, host); }

  std::shared_ptr<Storage> storage_;
  std::byte* address_;
  Shape shape_;
  int64_t count_;
  DType dtype_;
};

}  // namespace easel
