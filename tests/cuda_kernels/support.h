// Operands for emulated kernels and the comparison of their results with those of the CPU backend.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "easel/backend/backend.h"
#include "easel/backend/cuda/kernels/kernels.h"
#include "tests/support/device.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {

// Elements of a type between guards, in a place of its own alignment. What was never written, and the guards, are NaN.
class Operand {
 public:
  // Rounded to `type`. offset: elements from an address that is a multiple of 128
  Operand(DType type, std::span<const float> values, int64_t offset = 0);
  static Operand empty(DType type, int64_t count, int64_t offset = 0);

  cuda::Source source() const { return {address(), type_}; }
  cuda::Target target() { return {address(), type_}; }
  void* address() const;

  std::vector<float> values() const;
  Tensor tensor(Shape shape) const;                               // the values on the CPU device
  const std::vector<std::byte>& bytes() const { return bytes_; }  // guards and all
  bool guards_are_whole() const;

 private:
  Operand(DType type, int64_t count, int64_t offset);

  DType type_;
  size_t begin_, size_;  // bytes
  std::vector<std::byte> bytes_;
};

// Uniform in [-1, 1), the same on every run.
std::vector<float> random_values(int64_t count, uint32_t seed);

// f32 weights of the CPU backend with an operand's values.
Parameter parameter(const Operand& operand, Shape shape);

// Runs a kernel that writes `out` with its threads in one order and in the other, each time from the same contents of
// `out`: the bits must be the same, and nothing beside `out` may be written.
void run_kernel(Operand& out, const std::function<void()>& kernel);

// The largest difference to the CPU backend that rounding explains, relative to the largest magnitude: half a unit in
// the last place of `type`, and f32 sums of `reduction_length` products in another order.
double kernel_tolerance(DType type, int64_t reduction_length);

inline std::string name_of_type(const ::testing::TestParamInfo<DType>& info) {
  return info.param == DType::f32 ? "f32" : info.param == DType::f16 ? "f16" : "bf16";
}

inline constexpr DType kElementTypes[] = {DType::f32, DType::f16, DType::bf16};

// A suite of tests derives from it and is instantiated with kElementTypes.
class EachType : public ::testing::TestWithParam<DType> {};

}  // namespace easel::testing
