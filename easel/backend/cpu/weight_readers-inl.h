// Reading weights of every type as f32, a vector at a time.
// Included by .cpp files between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_WEIGHT_READERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_WEIGHT_READERS_INL_H_
#undef EASEL_BACKEND_CPU_WEIGHT_READERS_INL_H_
#else
#define EASEL_BACKEND_CPU_WEIGHT_READERS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "easel/tensor/super_block_readers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Element readers: Load gives Lanes(d) elements from `index` on as f32. Those of quantised types are in
// easel/tensor; kElements of a row take kBytes.
struct F16Reader {
  static constexpr size_t kElements = 1, kBytes = 2;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const hn::Rebind<uint16_t, D> du;
    const hn::Rebind<hwy::float16_t, D> dh;
    return hn::PromoteTo(d, hn::BitCast(dh, hn::LoadU(du, reinterpret_cast<const uint16_t*>(row + 2 * index))));
  }
};
struct Bf16Reader {
  static constexpr size_t kElements = 1, kBytes = 2;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    const hn::Rebind<uint16_t, D> du;
    const hn::RebindToUnsigned<D> du32;
    const auto bits = hn::LoadU(du, reinterpret_cast<const uint16_t*>(row + 2 * index));
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du32, bits)));
  }
};
struct F32Reader {
  static constexpr size_t kElements = 1, kBytes = 4;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* row, size_t index) {
    return hn::LoadU(d, reinterpret_cast<const float*>(row + 4 * index));
  }
};

template <class Reader>
HWY_INLINE constexpr size_t BytesOf(size_t elements) {
  return elements / Reader::kElements * Reader::kBytes;
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
