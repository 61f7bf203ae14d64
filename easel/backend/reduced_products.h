// Products and convolutions of numbers with fewer bits than f32, where a job allows them.
#pragma once

#include <functional>
#include <string_view>

namespace easel {

enum class ReducedNumbers {
  int8,  // 8-bit integers with a scale for each row (docs/adr/0013-int8.md)
  fp8,   // likewise of floating point (E4M3), on cards (docs/adr/0021-eight-bits-on-cards.md)
  bf16,  // the upper half of an f32: a sign, 8 bits of exponent and 7 of fraction; sums are f32
};

struct ReducedProducts {
  ReducedNumbers numbers = ReducedNumbers::int8;
  std::function<bool(std::string_view weight)> allows = {};  // given a weight's name; empty: f32 everywhere

  bool apply_to(std::string_view weight) const { return allows && allows(weight); }
};

}  // namespace easel
