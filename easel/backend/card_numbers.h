// Which numbers a card computes with, and which products are of 8-bit ones: what cards' backends and their plans agree
// on.
#pragma once

#include <algorithm>
#include <string_view>

#include "easel/backend/plugin.h"
#include "easel/base/error.h"

namespace easel::card {

inline constexpr int kFirstBf16Capability = 80;
inline constexpr int kFirstFp8Capability = 89;

inline bool has_eight_bits(const ReducedProducts& reduced) {
  return reduced.allows && (reduced.numbers == ReducedNumbers::int8 || reduced.numbers == ReducedNumbers::fp8);
}

// Throws Error invalid_request if the card does not compute with what is asked for. capability: 10 * major + minor
inline void check_numbers(const CardOptions& options, std::string_view card, int capability) {
  const auto require = [&](int first, std::string_view numbers, std::string_view others) {
    if (capability >= first) return;
    throw Error(ErrorCode::invalid_request,
                "cuda:{} ({}) does not compute in {}: its compute capability is {}.{}, expected {}.{} or higher; take "
                "--precision {}",
                options.index, card, numbers, capability / 10, capability % 10, first / 10, first % 10, others);
  };
  if (options.activation_type == DType::bf16) require(kFirstBf16Capability, "BF16", "f16 or full");
  if (has_eight_bits(options.reduced) && options.reduced.numbers == ReducedNumbers::fp8) {
    require(kFirstFp8Capability, "FP8", "int8 or f16");
  }
}

// Libraries multiply matrices of 8-bit numbers whose rows are whole groups of them.
inline constexpr int64_t kEightBitGroup = 16;
// Of products of two integers of 8 bits so many can be added in 32.
inline constexpr int64_t kMostIntegerTerms = 1 << 17;

// Whether a product of rows of `d_in` numbers with this weight [d_out, d_in] (or [d_out, d_in, 1, 1]) is one of 8-bit
// numbers, as far as the card's library has a way.
inline bool multiplies_eight_bits(const ReducedProducts& reduced, const Parameter& weight, int64_t d_in) {
  return has_eight_bits(reduced) && d_in % kEightBitGroup == 0 && weight.shape()[0] % kEightBitGroup == 0 &&
         d_in <= kMostIntegerTerms && reduced.apply_to(weight.name());
}

// Sums wait for their scales in 4 bytes each: of larger products, in parts of so many rows.
inline constexpr int64_t kSumsBytes = 32 << 20;
inline int64_t rows_of_sums(int64_t rows, int64_t d_out) {
  constexpr int64_t kWholeRows = 256;
  const int64_t fitting = kSumsBytes / (4 * d_out) / kWholeRows * kWholeRows;
  return std::min(rows, std::max(fitting, kWholeRows));
}

}  // namespace easel::card
