// The quantised types with blocks of 32 elements, one reader each; super_block_readers-inl.h has those with 256.
// Included by .cpp files after <hwy/highway.h>, for each instruction set.
//
// Reader::Load(d, row, index) gives Lanes(d) elements from `index` on as f32, where `index` is a multiple of Lanes(d)
// and `row` begins with a whole block. d, m and so on in comments are IEEE halves; all products of a scale and a
// quantised number are exact in f32, so that it does not matter whether the sum that follows is fused.

#if defined(EASEL_TENSOR_BLOCK_READERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_TENSOR_BLOCK_READERS_INL_H_
#undef EASEL_TENSOR_BLOCK_READERS_INL_H_
#else
#define EASEL_TENSOR_BLOCK_READERS_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace easel::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
using Integers = hn::Rebind<int32_t, D>;

template <class T>
HWY_INLINE T ReadAs(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The half at `from` in all lanes.
template <class D>
HWY_INLINE hn::Vec<D> Half(D d, const std::byte* from) {
  const hn::Rebind<uint16_t, D> du;
  const hn::Rebind<hwy::float16_t, D> dh;
  return hn::PromoteTo(d, hn::BitCast(dh, hn::Set(du, ReadAs<uint16_t>(from))));
}

// Bits [shift, shift + number of ones in mask) of the bytes from `from` on.
template <class D>
HWY_INLINE hn::Vec<Integers<D>> Bits(D, const std::byte* from, int shift, int32_t mask) {
  const Integers<D> di;
  const hn::Rebind<uint8_t, D> du;
  const auto bytes = hn::PromoteTo(di, hn::LoadU(du, reinterpret_cast<const uint8_t*>(from)));
  return hn::And(hn::ShiftRightSame(bytes, shift), hn::Set(di, mask));
}

// 16 times the bits j, j + 1, ... of the word at `from`.
template <class D>
HWY_INLINE hn::Vec<Integers<D>> FifthBits(D, const std::byte* from, size_t j) {
  const Integers<D> di;
  const hn::Rebind<uint32_t, D> du;
  const auto shifted = hn::Shr(hn::Set(du, ReadAs<uint32_t>(from)), hn::Iota(du, static_cast<uint32_t>(j)));
  return hn::BitCast(di, hn::ShiftLeft<4>(hn::And(shifted, hn::Set(du, uint32_t{1}))));
}

// scale * q
template <class D>
HWY_INLINE hn::Vec<D> Scaled(D d, hn::Vec<D> scale, hn::Vec<Integers<D>> q) {
  return hn::Mul(scale, hn::ConvertTo(d, q));
}

// Element j of a block of 32: byte j % 16 of 16 bytes holds element j in its low half, j + 16 in its high one.
template <class D>
HWY_INLINE hn::Vec<Integers<D>> Nibbles(D d, const std::byte* sixteen_bytes, size_t j) {
  return Bits(d, sixteen_bytes + j % 16, j < 16 ? 0 : 4, 15);
}

struct Q8_0Reader {  // d, 32 int8: d q
  static constexpr size_t kElements = 32, kBytes = 34;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const hn::Rebind<int8_t, D> d8;
    const std::byte* const block = row + index / kElements * kBytes;
    const auto q = hn::LoadU(d8, reinterpret_cast<const int8_t*>(block + 2 + index % kElements));
    return Scaled(d, Half(d, block), hn::PromoteTo(Integers<D>(), q));
  }
};

struct Q4_0Reader {  // d, 16 bytes: d (q - 8)
  static constexpr size_t kElements = 32, kBytes = 18;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const auto q = Nibbles(d, block + 2, index % kElements);
    return Scaled(d, Half(d, block), hn::Sub(q, hn::Set(Integers<D>(), 8)));
  }
};

struct Q4_1Reader {  // d, m, 16 bytes: d q + m
  static constexpr size_t kElements = 32, kBytes = 20;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const auto q = Nibbles(d, block + 4, index % kElements);
    return hn::Add(Scaled(d, Half(d, block), q), Half(d, block + 2));
  }
};

struct Q5_0Reader {  // d, a word of fifth bits, 16 bytes: d (q - 16)
  static constexpr size_t kElements = 32, kBytes = 22;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const size_t j = index % kElements;
    const auto q = hn::Or(Nibbles(d, block + 6, j), FifthBits(d, block + 2, j));
    return Scaled(d, Half(d, block), hn::Sub(q, hn::Set(Integers<D>(), 16)));
  }
};

struct Q5_1Reader {  // d, m, a word of fifth bits, 16 bytes: d q + m
  static constexpr size_t kElements = 32, kBytes = 24;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const std::byte* const block = row + index / kElements * kBytes;
    const size_t j = index % kElements;
    const auto q = hn::Or(Nibbles(d, block + 8, j), FifthBits(d, block + 4, j));
    return hn::Add(Scaled(d, Half(d, block), q), Half(d, block + 2));
  }
};

}  // namespace easel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
