#include "tests/cuda_kernels/support.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/cuda_kernels/emulation/emulator.h"

namespace easel::testing {
namespace {

constexpr size_t kGuard = 256;
constexpr size_t kAlignment = 128;
constexpr auto kUnwritten = std::byte{0xFF};  // NaN in every type

}  // namespace

Operand::Operand(DType type, int64_t count, int64_t offset)
    : type_(type), size_(static_cast<size_t>(bytes_of(type, count))) {
  bytes_.assign(size_ + 2 * kGuard + kAlignment + static_cast<size_t>(bytes_of(type, offset)), kUnwritten);
  const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
  begin_ = kGuard + (kAlignment - address % kAlignment) % kAlignment + static_cast<size_t>(bytes_of(type, offset));
}

Operand::Operand(DType type, std::span<const float> values, int64_t offset)
    : Operand(type, static_cast<int64_t>(values.size()), offset) {
  convert_from_f32(type, values, std::span(bytes_).subspan(begin_, size_));
}

Operand Operand::empty(DType type, int64_t count, int64_t offset) { return Operand(type, count, offset); }

void* Operand::address() const { return const_cast<std::byte*>(bytes_.data()) + begin_; }

std::vector<float> Operand::values() const {
  std::vector<float> values(size_ / static_cast<size_t>(size_of(type_)));
  convert_to_f32(type_, std::span(bytes_).subspan(begin_, size_), values);
  return values;
}

Tensor Operand::tensor(Shape shape) const {
  return Tensor::from(cpu_device(), shape, std::span<const float>(values()));
}

bool Operand::guards_are_whole() const {
  const auto is_whole = [](std::byte byte) { return byte == kUnwritten; };
  const auto begin = bytes_.begin() + static_cast<ptrdiff_t>(begin_);
  return std::all_of(bytes_.begin(), begin, is_whole) &&
         std::all_of(begin + static_cast<ptrdiff_t>(size_), bytes_.end(), is_whole);
}

std::vector<float> random_values(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f;
  return values;
}

Parameter parameter(const Operand& operand, Shape shape) {
  const auto values = std::make_shared<const std::vector<float>>(operand.values());
  return Parameter({.name = "weight",
                    .shape = shape,
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*values)),
                    .owner = values});
}

void run_kernel(Operand& out, const std::function<void()>& kernel) {
  using cuda_emulation::Order;
  const Operand before = out;
  std::vector<std::byte> first;
  for (const Order order : {Order::forward, Order::backward}) {
    std::memcpy(out.address(), before.address(),
                before.values().size() * static_cast<size_t>(size_of(out.target().type)));
    cuda_emulation::set_order(order);
    kernel();
    EXPECT_FALSE(cuda_emulation::take_failure()) << "a launch was refused";
    EXPECT_TRUE(out.guards_are_whole()) << "memory beside the result was written";
    if (first.empty()) first = out.bytes();
    EXPECT_TRUE(first == out.bytes()) << "the result depends on the order of threads";
  }
}

double kernel_tolerance(DType type, int64_t reduction_length) {
  const double half_unit = type == DType::f16 ? 0x1p-11 : type == DType::bf16 ? 0x1p-8 : 0x1p-24;
  return half_unit + tolerance(DType::f32, reduction_length);
}

}  // namespace easel::testing
