#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/tensor/blocks.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "easel/base/error.h"
#include "easel/tensor/blocks.h"
// Per-target code.
#include "easel/tensor/super_block_readers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::HWY_NAMESPACE {

template <class Reader>
void DequantizeWith(const std::byte* bytes, float* out, size_t count) {
  const hn::CappedTag<float, 16> d;  // no load may leave its run of 16 elements
  for (size_t i = 0; i < count; i += hn::Lanes(d)) hn::StoreU(Reader::Load(d, bytes, i), d, out + i);
}

void Dequantize(DType dtype, const std::byte* bytes, float* out, size_t count) {
  switch (dtype) {
    case DType::q8_0: return DequantizeWith<Q8_0Reader>(bytes, out, count);
    case DType::q4_0: return DequantizeWith<Q4_0Reader>(bytes, out, count);
    case DType::q4_1: return DequantizeWith<Q4_1Reader>(bytes, out, count);
    case DType::q5_0: return DequantizeWith<Q5_0Reader>(bytes, out, count);
    case DType::q5_1: return DequantizeWith<Q5_1Reader>(bytes, out, count);
    case DType::q2_k: return DequantizeWith<Q2_KReader>(bytes, out, count);
    case DType::q3_k: return DequantizeWith<Q3_KReader>(bytes, out, count);
    case DType::q4_k: return DequantizeWith<Q4_KReader>(bytes, out, count);
    case DType::q5_k: return DequantizeWith<Q5_KReader>(bytes, out, count);
    case DType::q6_k: return DequantizeWith<Q6_KReader>(bytes, out, count);
    default: EASEL_ASSERT(false);
  }
}

}  // namespace easel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel {
namespace {

HWY_EXPORT(Dequantize);

}  // namespace

void dequantize(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  EASEL_ASSERT(is_quantized(dtype));
  EASEL_ASSERT(static_cast<int64_t>(bytes.size()) == bytes_of(dtype, static_cast<int64_t>(out.size())));
  HWY_DYNAMIC_DISPATCH(Dequantize)(dtype, bytes.data(), out.data(), out.size());
}

}  // namespace easel
#endif  // HWY_ONCE
