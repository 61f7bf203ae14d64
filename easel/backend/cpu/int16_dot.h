// The inner loop of products of 16-bit integers, twice as fast as products of floats with VNNI; chosen at run time as
// that of int8_dot.h.
//
// All variants give the same integers, as long as no sum overflows 31 bits: depth * max|a| * max|b| < 2^31.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace easel::cpu {

inline constexpr size_t kInt16Lanes = 16;  // what the number of columns is a multiple of
inline constexpr size_t kInt16Group = 2;   // neighbours of a sum that one instruction adds up

// A [rows, depth] and B [depth, columns], depth a multiple of kInt16Group.
struct Int16Product {
  const int16_t* a;  // rows `a_stride` numbers apart
  size_t a_stride;
  const int16_t* b;  // packed [depth / kInt16Group, columns, kInt16Group]
  size_t rows, columns, depth;
};

// C [rows, columns] = A B, rows of C `c_stride` numbers apart.
using Int16Kernel = void (*)(const Int16Product& product, int32_t* c, size_t c_stride);

struct Int16Variant {
  std::string_view name;  // "avx512-vnni"
  Int16Kernel kernel;
  bool is_fast;  // faster than products of floats
};
// What this processor can run, fastest first. The last one is plain C++.
const std::vector<Int16Variant>& int16_variants();

}  // namespace easel::cpu
