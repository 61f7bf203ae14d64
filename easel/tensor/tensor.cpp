#include "easel/tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace easel {

Tensor::Storage::Storage(const Device& on, uint64_t size_bytes)
    : device(on), bytes(size_bytes), address(on.allocator().allocate(size_bytes)) {}

Tensor::Storage::~Storage() { device.allocator().release(address, bytes); }

Tensor Tensor::empty(const Device& device, Shape shape, DType dtype) {
  uint64_t bytes;
  if (__builtin_mul_overflow(shape.count(), size_of(dtype), &bytes)) bytes = std::numeric_limits<uint64_t>::max();
  auto storage = std::make_shared<Storage>(device, bytes);
  std::byte* address = storage->address;
  return {std::move(storage), address, shape, dtype};
}

Tensor Tensor::zeros(const Device& device, Shape shape) {
  Tensor out = empty(device, shape);
  std::ranges::fill(out.data(), 0.0f);
  return out;
}

Tensor Tensor::from(const Device& device, Shape shape, std::span<const float> values) {
  EASEL_ASSERT(static_cast<int64_t>(values.size()) == shape.count());
  Tensor out = empty(device, shape);
  std::ranges::copy(values, out.data().begin());
  return out;
}

Tensor Tensor::from(const Device& device, Shape shape, std::span<const int32_t> values) {
  EASEL_ASSERT(static_cast<int64_t>(values.size()) == shape.count());
  Tensor out = empty(device, shape, DType::i32);
  std::ranges::copy(values, out.data<int32_t>().begin());
  return out;
}

Tensor Tensor::reshape(Shape shape) const {
  EASEL_ASSERT(shape.count() == count_);
  return {storage_, address_, shape, dtype_};
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  EASEL_ASSERT(shape_.rank() > 0 && begin >= 0 && begin <= end && end <= dim(0));
  std::vector<int64_t> dims(shape_.dims().begin(), shape_.dims().end());
  const int64_t row_bytes = dim(0) == 0 ? 0 : count_ / dim(0) * size_of(dtype_);
  dims[0] = end - begin;
  return {storage_, address_ + begin * row_bytes, Shape(dims), dtype_};
}

Tensor Tensor::clone() const {
  Tensor out = empty(device(), shape_, dtype_);
  std::memcpy(out.address_, address_, static_cast<size_t>(count_ * size_of(dtype_)));
  return out;
}

std::vector<float> Tensor::values() const {
  const auto span = data();
  return {span.begin(), span.end()};
}

}  // namespace easel
