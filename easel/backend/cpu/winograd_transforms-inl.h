// The three transforms of Winograd's F(4x4, 3x3) with interpolation points 0, 5/8, -5/8, 3/2, -3/2 and infinity.
//
// With the usual points 0, 1, -1, 2, -2 the rounding error of a random sum grows 11 times on average and 31 times in
// the worst output of a tile; with these it grows 4.8 and 8.2 times (see ADR 0006), for the same number of operations.
// Included by .cpp files between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE.

#if defined(EASEL_BACKEND_CPU_WINOGRAD_TRANSFORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef EASEL_BACKEND_CPU_WINOGRAD_TRANSFORMS_INL_H_
#undef EASEL_BACKEND_CPU_WINOGRAD_TRANSFORMS_INL_H_
#else
#define EASEL_BACKEND_CPU_WINOGRAD_TRANSFORMS_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr float kPointA = 0.625f;
inline constexpr float kPointB = 1.5f;
inline constexpr float kA2 = kPointA * kPointA;
inline constexpr float kB2 = kPointB * kPointB;

// B^T x: six inputs -> six points. Row k holds the coefficients of the product of (t - t_j) over the other points t_j.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void InputPoints(D d, const V (&x)[6], V (&y)[6]) {
  const V a2 = hn::Set(d, kA2);
  const V b2 = hn::Set(d, kB2);
  const V both = hn::Set(d, kA2 + kB2);
  const V product = hn::Set(d, kA2 * kB2);
  const V even_a = hn::NegMulAdd(b2, x[2], x[4]);
  const V odd_a = hn::Mul(hn::Set(d, kPointA), hn::NegMulAdd(b2, x[1], x[3]));
  const V even_b = hn::NegMulAdd(a2, x[2], x[4]);
  const V odd_b = hn::Mul(hn::Set(d, kPointB), hn::NegMulAdd(a2, x[1], x[3]));
  y[0] = hn::NegMulAdd(both, x[2], hn::MulAdd(product, x[0], x[4]));
  y[1] = hn::Add(even_a, odd_a);
  y[2] = hn::Sub(even_a, odd_a);
  y[3] = hn::Add(even_b, odd_b);
  y[4] = hn::Sub(even_b, odd_b);
  y[5] = hn::NegMulAdd(both, x[3], hn::MulAdd(product, x[1], x[5]));
}

// G g: three taps -> six points: the taps' polynomial at each point, divided by row k of B^T at that point.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void WeightPoints(D d, V g0, V g1, V g2, V (&y)[6]) {
  constexpr float kScaleA = 1.0f / (2.0f * kA2 * (kA2 - kB2));
  constexpr float kScaleB = 1.0f / (2.0f * kB2 * (kB2 - kA2));
  const V even_a = hn::MulAdd(hn::Set(d, kScaleA * kA2), g2, hn::Mul(hn::Set(d, kScaleA), g0));
  const V odd_a = hn::Mul(hn::Set(d, kScaleA * kPointA), g1);
  const V even_b = hn::MulAdd(hn::Set(d, kScaleB * kB2), g2, hn::Mul(hn::Set(d, kScaleB), g0));
  const V odd_b = hn::Mul(hn::Set(d, kScaleB * kPointB), g1);
  y[0] = hn::Mul(hn::Set(d, 1.0f / (kA2 * kB2)), g0);
  y[1] = hn::Add(even_a, odd_a);
  y[2] = hn::Sub(even_a, odd_a);
  y[3] = hn::Add(even_b, odd_b);
  y[4] = hn::Sub(even_b, odd_b);
  y[5] = g2;
}

// A^T m: six points -> four outputs; output i sums m_k t_k^i.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void OutputPoints(D d, const V (&m)[6], V (&y)[4]) {
  const V sum_a = hn::Add(m[1], m[2]);
  const V difference_a = hn::Sub(m[1], m[2]);
  const V sum_b = hn::Add(m[3], m[4]);
  const V difference_b = hn::Sub(m[3], m[4]);
  y[0] = hn::Add(hn::Add(m[0], sum_a), sum_b);
  y[1] = hn::MulAdd(hn::Set(d, kPointB), difference_b, hn::Mul(hn::Set(d, kPointA), difference_a));
  y[2] = hn::MulAdd(hn::Set(d, kB2), sum_b, hn::Mul(hn::Set(d, kA2), sum_a));
  y[3] = hn::MulAdd(hn::Set(d, kPointB * kB2), difference_b, hn::MulAdd(hn::Set(d, kPointA * kA2), difference_a, m[5]));
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
