#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/elementwise.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "easel/backend/cpu/kernels.h"
// Per-target code.
#include "easel/backend/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

void Activate(const float* x, Activation activation, float* out, size_t count) {
  WithActivation(activation, [&](auto f) {
    ForEachVector(count, [&](auto d, size_t i) { hn::StoreU(f(d, hn::LoadU(d, x + i)), d, out + i); });
  });
}

void ActivateAdd(const float* x, Activation activation, const float* residual, float* out, size_t count) {
  WithActivation(activation, [&](auto f) {
    ForEachVector(count, [&](auto d, size_t i) {
      hn::StoreU(hn::Add(f(d, hn::LoadU(d, x + i)), hn::LoadU(d, residual + i)), d, out + i);
    });
  });
}

void Combine(std::span<const Term> terms, float constant, float* out, size_t begin, size_t end) {
  ForEachVector(end - begin, [&](auto d, size_t i) {
    auto sum = hn::Set(d, constant);
    for (const Term& term : terms) {
      sum = hn::MulAdd(hn::Set(d, term.factor), hn::LoadU(d, term.tensor->data().data() + begin + i), sum);
    }
    hn::StoreU(sum, d, out + begin + i);
  });
}

void Multiply(const float* a, const float* b, float* out, size_t count) {
  ForEachVector(count,
                [&](auto d, size_t i) { hn::StoreU(hn::Mul(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i); });
}

void Clamp(const float* x, float low, float high, float* out, size_t count) {
  ForEachVector(count, [&](auto d, size_t i) {
    hn::StoreU(hn::Max(hn::Min(hn::LoadU(d, x + i), hn::Set(d, high)), hn::Set(d, low)), d, out + i);
  });
}

void Geglu(const float* both, float* out, size_t rows, size_t width) {
  for (size_t row = 0; row < rows; ++row) {
    const float* a = both + row * 2 * width;
    const float* gate = a + width;
    float* to = out + row * width;
    ForEachVector(width, [&](auto d, size_t i) {
      hn::StoreU(hn::Mul(hn::LoadU(d, a + i), Gelu(d, hn::LoadU(d, gate + i))), d, to + i);
    });
  }
}

void AddRow(const float* bias, float* x, size_t rows, size_t channels) {
  for (size_t row = 0; row < rows; ++row) {
    float* to = x + row * channels;
    ForEachVector(channels, [&](auto d, size_t i) {
      hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, bias + i)), d, to + i);
    });
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {

HWY_EXPORT(Activate);
HWY_EXPORT(ActivateAdd);
HWY_EXPORT(Combine);
HWY_EXPORT(Multiply);
HWY_EXPORT(Clamp);
HWY_EXPORT(Geglu);
HWY_EXPORT(AddRow);

void activate(const float* x, Activation activation, float* out, size_t count) {
  HWY_DYNAMIC_DISPATCH(Activate)(x, activation, out, count);
}
void activate_add(const float* x, Activation activation, const float* residual, float* out, size_t count) {
  HWY_DYNAMIC_DISPATCH(ActivateAdd)(x, activation, residual, out, count);
}
void combine(std::span<const Term> terms, float constant, float* out, size_t begin, size_t end) {
  HWY_DYNAMIC_DISPATCH(Combine)(terms, constant, out, begin, end);
}
void multiply(const float* a, const float* b, float* out, size_t count) {
  HWY_DYNAMIC_DISPATCH(Multiply)(a, b, out, count);
}
void clamp(const float* x, float low, float high, float* out, size_t count) {
  HWY_DYNAMIC_DISPATCH(Clamp)(x, low, high, out, count);
}
void geglu(const float* both, float* out, size_t rows, size_t width) {
  HWY_DYNAMIC_DISPATCH(Geglu)(both, out, rows, width);
}
void add_row(const float* bias, float* x, size_t rows, size_t channels) {
  HWY_DYNAMIC_DISPATCH(AddRow)(bias, x, rows, channels);
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
