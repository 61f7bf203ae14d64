#include "easel/backend/cuda/kernels/elements.cuh"
#include "easel/backend/cuda/kernels/reduction.cuh"

namespace easel::cuda {
namespace {

constexpr int kNormThreads = 128;

// A warp per row of `columns` vectors, which the first of three readings brings into the cache.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kNormThreads)
    layer_norm_kernel(const T* x, NormWeights weights, int64_t rows, int columns, float epsilon, T* out) {
  const int lane = thread_index() % kWarp;
  const int warps = block_threads() / kWarp;
  const int64_t width = static_cast<int64_t>(columns) * kWidth;
  const auto count = static_cast<float>(width);
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * warps + thread_index() / kWarp; row < rows;
       row += static_cast<int64_t>(gridDim.x) * warps) {
    const T* const from = x + row * width;
    float sum = 0.0f;
    for (int column = lane; column < columns; column += kWarp) {
      const Pack<kWidth> pack = load<kWidth>(from + column * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) sum += pack.at[k];
    }
    const float mean = reduce_lanes(sum, Sum()) / count;
    float spread = 0.0f;
    for (int column = lane; column < columns; column += kWarp) {
      const Pack<kWidth> pack = load<kWidth>(from + column * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) spread = fmaf(pack.at[k] - mean, pack.at[k] - mean, spread);
    }
    const float inverse = 1.0f / sqrtf(reduce_lanes(spread, Sum()) / count + epsilon);
    for (int column = lane; column < columns; column += kWarp) {
      Pack<kWidth> pack = load<kWidth>(from + column * kWidth);
      const Pack<kWidth> weight = load<kWidth>(weights.weight, column * kWidth);
      const Pack<kWidth> bias = load<kWidth>(weights.bias, column * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        pack.at[k] = fmaf((pack.at[k] - mean) * inverse, weight.at[k], bias.at[k]);
      }
      store(out + row * width + column * kWidth, pack);
    }
  }
}

// A block per row; scale is that of the scores in units of ln 2. Shared: kWarp floats.
template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    softmax_kernel(Source x, int64_t rows, int64_t columns, float scale, Target out) {
  const int64_t width = columns * kWidth;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    float largest = Largest::kNeutral;
    for (int64_t column = thread_index(); column < columns; column += block_threads()) {
      const Pack<kWidth> pack = load<kWidth>(x, row * width + column * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) largest = fmaxf(largest, pack.at[k] * scale);
    }
    largest = reduce_block(largest, Largest(), shared<float>());
    float sum = 0.0f;
    for (int64_t column = thread_index(); column < columns; column += block_threads()) {
      const Pack<kWidth> pack = load<kWidth>(x, row * width + column * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) sum += exp2f(pack.at[k] * scale - largest);
    }
    const float inverse = 1.0f / reduce_block(sum, Sum(), shared<float>());
    for (int64_t column = thread_index(); column < columns; column += block_threads()) {
      Pack<kWidth> pack = load<kWidth>(x, row * width + column * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) pack.at[k] = exp2f(pack.at[k] * scale - largest) * inverse;
      store(out, row * width + column * kWidth, pack);
    }
  }
}

}  // namespace

void layer_norm(Source x, const NormWeights& weights, int64_t rows, int64_t width, float epsilon, Target out,
                Stream stream) {
  if (rows * width == 0) return;
  const bool wide = width % kVector == 0 && all_aligned(x, out, weights.weight, weights.bias);
  with_type(x.type, [&](auto element) {
    using T = decltype(element);
    launch(wide ? layer_norm_kernel<T, kVector> : layer_norm_kernel<T, 1>,
           {.x = blocks_for(rows, kNormThreads / kWarp)}, kNormThreads, 0, stream, static_cast<const T*>(x.data),
           weights, rows, static_cast<int>(wide ? width / kVector : width), epsilon, static_cast<T*>(out.data));
  });
}

void softmax_rows(Source x, int64_t rows, int64_t width, float scale, Target out, Stream stream) {
  if (rows * width == 0) return;
  constexpr float kLog2E = 1.44269504f;
  const bool wide = width % kVector == 0 && all_aligned(x, out);
  launch(wide ? softmax_kernel<kVector> : softmax_kernel<1>, {.x = blocks_for(rows, 1)}, kThreads,
         kWarp * sizeof(float), stream, x, rows, wide ? width / kVector : width, scale * kLog2E, out);
}

}  // namespace easel::cuda
