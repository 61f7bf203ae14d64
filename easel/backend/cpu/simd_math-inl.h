// Vector functions of one instruction set; included by .cpp files between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_SIMD_MATH_INL_H_
#undef EASEL_BACKEND_CPU_SIMD_MATH_INL_H_
#else
#define EASEL_BACKEND_CPU_SIMD_MATH_INL_H_
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

// The error function with an absolute error below 4e-7: x P(x^2) / Q(x^2), a rational minimax fit on [-4, 4].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Erf(D d, V x) {
  x = hn::Max(hn::Min(x, hn::Set(d, 4.0f)), hn::Set(d, -4.0f));
  const V x2 = hn::Mul(x, x);
  V p = hn::Set(d, -2.72614225801306e-10f);
  p = hn::MulAdd(p, x2, hn::Set(d, 2.77068142495902e-08f));
  p = hn::MulAdd(p, x2, hn::Set(d, -2.10102402082508e-06f));
  p = hn::MulAdd(p, x2, hn::Set(d, -5.69250639462346e-05f));
  p = hn::MulAdd(p, x2, hn::Set(d, -7.34990630326855e-04f));
  p = hn::MulAdd(p, x2, hn::Set(d, -2.95459980854025e-03f));
  p = hn::MulAdd(p, x2, hn::Set(d, -1.60960333262415e-02f));
  V q = hn::Set(d, -1.45660718464996e-05f);
  q = hn::MulAdd(q, x2, hn::Set(d, -2.13374055278905e-04f));
  q = hn::MulAdd(q, x2, hn::Set(d, -1.68282697438203e-03f));
  q = hn::MulAdd(q, x2, hn::Set(d, -7.37332916720468e-03f));
  q = hn::MulAdd(q, x2, hn::Set(d, -1.42647390514189e-02f));
  return hn::Div(hn::Mul(x, p), q);
}

// x / (1 + e^(-factor x))
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Swish(D d, V x, float factor) {
  const V e = Exp(d, hn::Mul(x, hn::Set(d, -factor)));
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), e));
}

// x (1 + erf(x / sqrt 2)) / 2
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Gelu(D d, V x) {
  const V half = hn::Mul(x, hn::Set(d, 0.5f));
  return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678f))), half);
}

struct NoActivation {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return x;
  }
};
struct SiluActivation {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return Swish(d, x, 1.0f);
  }
};
struct QuickGeluActivation {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return Swish(d, x, 1.702f);
  }
};
struct GeluActivation {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return Gelu(d, x);
  }
};
struct ReluActivation {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x);  // NaN stays: it tells of damaged weights
  }
};
struct LeakyReluActivation {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Max(x, hn::Mul(x, hn::Set(d, kLeakySlope)));
  }
};

// Calls body(functor) with the functor of `activation`, so that inner loops are compiled once per activation.
template <class Body>
HWY_INLINE void WithActivation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::none: return body(NoActivation());
    case Activation::silu: return body(SiluActivation());
    case Activation::gelu: return body(GeluActivation());
    case Activation::quick_gelu: return body(QuickGeluActivation());
    case Activation::relu: return body(ReluActivation());
    case Activation::leaky_relu: return body(LeakyReluActivation());
  }
}

// Calls body(descriptor, offset) over [0, count): whole vectors, then single elements.
template <class Body>
HWY_INLINE void ForEachVector(size_t count, const Body& body) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  for (; i < count; ++i) body(d1, i);
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
