#include "easel/tensor/tensor.h"

#include <algorithm>
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
  if (device.allocator().is_host()) {
    std::ranges::fill(out.data(), 0.0f);
  } else {
    out.write(std::vector<std::byte>(out.size_bytes()));
  }
  return out;
}

Tensor Tensor::from(const Device& device, Shape shape, std::span<const float> values) {
  EASEL_ASSERT(static_cast<int64_t>(values.size()) == shape.count());
  Tensor out = empty(device, shape);
  out.write(std::as_bytes(values));
  return out;
}

Tensor Tensor::from(const Device& device, Shape shape, std::span<const int32_t> values) {
  EASEL_ASSERT(static_cast<int64_t>(values.size()) == shape.count());
  Tensor out = empty(device, shape, DType::i32);
  out.write(std::as_bytes(values));
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
  device().allocator().copy(address_, out.address_, size_bytes());
  return out;
}

void Tensor::read(std::span<std::byte> host) const {
  EASEL_ASSERT(host.size() == size_bytes());
  device().allocator().read(address_, host);
}

std::vector<float> Tensor::values() const {
  if (dtype_ == DType::f32 && device().allocator().is_host()) return {data().begin(), data().end()};
  return start_values()();
}

std::function<std::vector<float>()> Tensor::start_values() const {
  EASEL_ASSERT(dtype_ == DType::f32 || dtype_ == DType::f16 || dtype_ == DType::bf16);
  auto bytes = std::make_shared<std::vector<std::byte>>(size_bytes());
  auto arrive = device().allocator().start_read(address_, *bytes);
  return [dtype = dtype_, count = count_, bytes = std::move(bytes), arrive = std::move(arrive)] {
    arrive();
    std::vector<float> out(static_cast<size_t>(count));
    convert_to_f32(dtype, *bytes, out);
    return out;
  };
}

std::vector<int32_t> Tensor::integers() const {
  EASEL_ASSERT(dtype_ == DType::i32);
  std::vector<int32_t> out(static_cast<size_t>(count_));
  read(std::as_writable_bytes(std::span(out)));
  return out;
}

}  // namespace easel
