// Exponential functions of one instruction set; included by .cpp files between HWY_BEFORE_NAMESPACE and
// HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_EXP_INL_H_
#undef EASEL_BACKEND_CPU_EXP_INL_H_
#else
#define EASEL_BACKEND_CPU_EXP_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Added to a number of magnitude up to 2^22, this leaves the nearest integer (ties to even) in the low bits of the sum.
// Cheaper than conversions, which Highway guards against overflow.
constexpr float kRoundingShift = 12582912.0f;  // 1.5 * 2^23

// p * 2^n, from n + kRoundingShift: the shift's own bits leave on the left.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TimesPowerOf2(D d, V p, V shifted_n) {
  const hn::RebindToSigned<D> di;
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted_n))));
}

// e^x with a relative error below 2e-7; x is clamped to [-87, 88]. 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  x = hn::Max(hn::Min(x, hn::Set(d, 88.0f)), hn::Set(d, -87.0f));
  const V shifted = hn::Add(hn::Mul(x, hn::Set(d, 1.44269504f)), hn::Set(d, kRoundingShift));
  const V n = hn::Sub(shifted, hn::Set(d, kRoundingShift));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V p = hn::Set(d, 1.0f / 720);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return hn::Mul(p, TimesPowerOf2(d, hn::Set(d, 1.0f), shifted));
}

// 2^x for x <= 0 with a relative error below 2e-7; what is below 2^-126 becomes 2^-126. A polynomial on [-1/2, 1/2].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp2OfNegative(D d, V x) {
  x = hn::Max(x, hn::Set(d, -126.0f));
  const V shifted = hn::Add(x, hn::Set(d, kRoundingShift));
  const V r = hn::Sub(x, hn::Sub(shifted, hn::Set(d, kRoundingShift)));
  V p = hn::Set(d, 1.5403530e-4f);  // (ln 2)^k / k!
  p = hn::MulAdd(p, r, hn::Set(d, 1.3333558e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 9.6181291e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.5504109e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 2.4022651e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 6.9314718e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return TimesPowerOf2(d, p, shifted);
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
