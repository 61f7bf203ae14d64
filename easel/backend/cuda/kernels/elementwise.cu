#include "easel/backend/cuda/kernels/activation.cuh"

namespace easel::cuda {
namespace {

// body.run<kWidth>(i) for elements i..i + kWidth - 1: `vectors` wide ones, the rest one by one.
template <typename Body>
__global__ void __launch_bounds__(kThreads) each_element(Body body, int64_t vectors, int64_t count) {
  for (int64_t i = first_item(); i < vectors; i += item_stride()) body.template run<kVector>(i * kVector);
  for (int64_t i = vectors * kVector + first_item(); i < count; i += item_stride()) body.template run<1>(i);
}

template <typename Body>
void launch_each(const Body& body, bool is_aligned, int64_t count, Stream stream) {
  if (count == 0) return;
  const int64_t vectors = is_aligned ? count / kVector : 0;
  const int64_t items = vectors > 0 ? vectors : count;
  launch(each_element<Body>, {.x = blocks_for(items, kThreads)}, kThreads, 0, stream, body, vectors, count);
}

struct Map {
  Source x;
  Target out;
  Activation activation;
  template <int kWidth>
  __device__ void run(int64_t i) const {
    Pack<kWidth> pack = load<kWidth>(x, i);
    activate(pack, activation);
    store(out, i, pack);
  }
};

struct Product {
  Source a, b;
  Target out;
  template <int kWidth>
  __device__ void run(int64_t i) const {
    Pack<kWidth> pack = load<kWidth>(a, i);
    const Pack<kWidth> other = load<kWidth>(b, i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) pack.at[k] *= other.at[k];
    store(out, i, pack);
  }
};

struct Clamp {
  Source x;
  Target out;
  float low, high;
  template <int kWidth>
  __device__ void run(int64_t i) const {
    Pack<kWidth> pack = load<kWidth>(x, i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const float value = pack.at[k] > high ? high : pack.at[k];  // NaN is neither above nor below, so it stays
      pack.at[k] = value < low ? low : value;
    }
    store(out, i, pack);
  }
};

struct Combination {
  Summand terms[kMaxSummands];
  int count;
  float constant;
  Target out;
  template <int kWidth>
  __device__ void run(int64_t i) const {
    Pack<kWidth> sum;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sum.at[k] = constant;
    for (int term = 0; term < count; ++term) {
      const Pack<kWidth> pack = load<kWidth>(terms[term].x, i);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) sum.at[k] = fmaf(terms[term].factor, pack.at[k], sum.at[k]);
    }
    store(out, i, sum);
  }
};

}  // namespace

void convert(Source x, Target out, int64_t count, Stream stream) { activate(x, Activation::none, out, count, stream); }

void activate(Source x, Activation activation, Target out, int64_t count, Stream stream) {
  launch_each(Map{x, out, activation}, all_aligned(x, out), count, stream);
}

void multiply(Source a, Source b, Target out, int64_t count, Stream stream) {
  launch_each(Product{a, b, out}, all_aligned(a, b, out), count, stream);
}

void clamp(Source x, float low, float high, Target out, int64_t count, Stream stream) {
  launch_each(Clamp{x, out, low, high}, all_aligned(x, out), count, stream);
}

void combine(std::span<const Summand> terms, float constant, Target out, int64_t count, Stream stream) {
  Combination body{.terms = {}, .count = 0, .constant = constant, .out = out};
  bool aligned = is_aligned(out.data);
  for (const Summand& term : terms) {
    if (body.count == kMaxSummands) {  // the sum so far is the first term of the next one
      launch_each(body, aligned, count, stream);
      body.terms[0] = {1.0f, out};
      body.count = 1;
      body.constant = 0.0f;
    }
    body.terms[body.count++] = term;
    aligned = aligned && is_aligned(term.x.data);
  }
  launch_each(body, aligned, count, stream);
}

}  // namespace easel::cuda
