// The inner loop of products of 8-bit integers, for what the processor has (VNNI or not), chosen at run time.
//
// All variants give the same integers: sums do not overflow below 2^16 terms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace easel::cpu {

inline constexpr size_t kInt8Width = 32;    // columns of a panel
inline constexpr size_t kInt8Group = 4;     // neighbours of a sum that one instruction adds up
inline constexpr size_t kInt8MaxRows = 12;  // that stay in registers with AVX-512

// C [rows, kInt8Width] = A [rows, depth] * B, for rows <= kInt8MaxRows and depth a multiple of kInt8Group.
// a: rows `a_stride` bytes apart; panel: B as [depth / kInt8Group, kInt8Width, kInt8Group].
using Int8Kernel = void (*)(size_t rows, const uint8_t* a, size_t a_stride, const int8_t* panel, size_t depth,
                            int32_t* c);

struct Int8Variant {
  std::string_view name;  // "avx512-vnni"
  Int8Kernel kernel;
  bool is_fast;  // faster than products of floats
};
// What this processor can run, fastest first. The last one is plain C++.
const std::vector<Int8Variant>& int8_variants();
inline Int8Kernel int8_kernel() { return int8_variants().front().kernel; }

}  // namespace easel::cpu
