// The quantised types with blocks of 256 elements, one reader each; see block_readers-inl.h.

#if defined(EASEL_TENSOR_SUPER_BLOCK_READERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_TENSOR_SUPER_BLOCK_READERS_INL_H_
#undef EASEL_TENSOR_SUPER_BLOCK_READERS_INL_H_
#else
#define EASEL_TENSOR_SUPER_BLOCK_READERS_INL_H_
#endif

#include "easel/tensor/block_readers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::HWY_NAMESPACE {

// An element of a block of 256 in the types with 2, 3 and 6 bits: half `h`, quarter `k` of the half, element `l` of the
// quarter; `sixteen` counts the runs of 16 elements that share a scale.
struct SuperPlace {
  explicit SuperPlace(size_t i) : h(i / 128), k(i % 128 / 32), l(i % 32), sixteen(i / 16) {}
  size_t h, k, l, sixteen;
};

struct Q2_KReader {  // 16 bytes of scale (low) and minimum (high), 64 bytes of 2 bits, d, m: d s q - m minimum
  static constexpr size_t kElements = 256, kBytes = 84;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const SuperPlace at(index % kElements);
    const auto both = static_cast<uint8_t>(block[at.sixteen]);
    const auto scale = hn::Mul(Half(d, block + 80), hn::Set(d, static_cast<float>(both & 15)));
    const auto minimum = hn::Mul(Half(d, block + 82), hn::Set(d, static_cast<float>(both >> 4)));
    const auto q = Bits(d, block + 16 + 32 * at.h + at.l, static_cast<int>(2 * at.k), 3);
    return hn::Sub(Scaled(d, scale, q), minimum);
  }
};

struct Q3_KReader {  // 32 bytes of third bits, 64 bytes of 2 bits, 12 bytes of scales, d: d s (q - 4)
  static constexpr size_t kElements = 256, kBytes = 110;
  static HWY_INLINE int Scale(const std::byte* scales, size_t i) {
    const auto byte = [&](size_t k) { return static_cast<int>(scales[k]); };
    const int low = i < 8 ? byte(i) & 15 : byte(i - 8) >> 4;
    const int high = (byte(8 + i % 4) >> (2 * (i / 4))) & 3;
    return (low | (high << 4)) - 32;
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const SuperPlace at(index % kElements);
    const auto low = Bits(d, block + 32 + 32 * at.h + at.l, static_cast<int>(2 * at.k), 3);
    const auto third = Bits(d, block + at.l, static_cast<int>(4 * at.h + at.k), 1);
    const auto q = hn::Sub(hn::Or(low, hn::ShiftLeft<2>(third)), hn::Set(Integers<D>(), 4));
    const auto scale = hn::Set(d, static_cast<float>(Scale(block + 96, at.sixteen)));
    return Scaled(d, hn::Mul(Half(d, block + 108), scale), q);
  }
};

// Scale and minimum of sub-block j of 32 elements, 6 bits each, in the 12 bytes of Q4_K and Q5_K.
struct ScaleAndMinimum {
  ScaleAndMinimum(const std::byte* twelve_bytes, size_t j) {
    const auto byte = [&](size_t k) { return static_cast<int>(twelve_bytes[k]); };
    scale = j < 4 ? byte(j) & 63 : (byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4);
    minimum = j < 4 ? byte(j + 4) & 63 : (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4);
  }
  int scale, minimum;
};

struct Q4_KReader {  // d, m, 12 bytes of scales and minima, 128 bytes: d s q - m minimum
  static constexpr size_t kElements = 256, kBytes = 144;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const size_t j = index % kElements / 32;
    const ScaleAndMinimum pair(block + 4, j);
    const auto q = Bits(d, block + 16 + 32 * (j / 2) + index % 32, j % 2 == 0 ? 0 : 4, 15);
    const auto scale = hn::Mul(Half(d, block), hn::Set(d, static_cast<float>(pair.scale)));
    return hn::Sub(Scaled(d, scale, q), hn::Mul(Half(d, block + 2), hn::Set(d, static_cast<float>(pair.minimum))));
  }
};

struct Q5_KReader {  // as Q4_K with 32 bytes of fifth bits before the 128
  static constexpr size_t kElements = 256, kBytes = 176;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const size_t j = index % kElements / 32;
    const ScaleAndMinimum pair(block + 4, j);
    const auto low = Bits(d, block + 48 + 32 * (j / 2) + index % 32, j % 2 == 0 ? 0 : 4, 15);
    const auto q = hn::Or(low, hn::ShiftLeft<4>(Bits(d, block + 16 + index % 32, static_cast<int>(j), 1)));
    const auto scale = hn::Mul(Half(d, block), hn::Set(d, static_cast<float>(pair.scale)));
    return hn::Sub(Scaled(d, scale, q), hn::Mul(Half(d, block + 2), hn::Set(d, static_cast<float>(pair.minimum))));
  }
};

struct Q6_KReader {  // 128 bytes of 4 low bits, 64 bytes of 2 high bits, 16 int8 scales, d: d s (q - 32)
  static constexpr size_t kElements = 256, kBytes = 210;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const SuperPlace at(index % kElements);
    const auto low = Bits(d, block + 64 * at.h + 32 * (at.k % 2) + at.l, at.k < 2 ? 0 : 4, 15);
    const auto high = Bits(d, block + 128 + 32 * at.h + at.l, static_cast<int>(2 * at.k), 3);
    const auto q = hn::Sub(hn::Or(low, hn::ShiftLeft<4>(high)), hn::Set(Integers<D>(), 32));
    const auto scale = hn::Set(d, static_cast<float>(ReadAs<int8_t>(block + 192 + at.sixteen)));
    return Scaled(d, hn::Mul(Half(d, block + 208), scale), q);
  }
};

}  // namespace easel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
