// Vector functions of one instruction set; included by .cpp files between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_SIMD_MATH_INL_H_
#undef EASEL_BACKEND_CPU_SIMD_MATH_INL_H_
#else
#define EASEL_BACKEND_CPU_SIMD_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include "easel/backend/cpu/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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

// 0, or NaN if one of the numbers is not finite. What takes a maximum of numbers loses sight of NaN.
HWY_INLINE float ZeroOrNan(const float* x, size_t count) {
  float sum = 0.0f;
  ForEachVector(count, [&](auto d, size_t i) {
    sum += hn::GetLane(hn::SumOfLanes(d, hn::Mul(hn::LoadU(d, x + i), hn::Zero(d))));
  });
  return sum;
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
