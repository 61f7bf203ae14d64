#include "easel/backend/cuda/kernels/columns.cuh"
#include "easel/backend/cuda/kernels/image_kernels.h"

namespace easel::cuda {
namespace {

constexpr int kMaxTaps = 4;

// The inputs that one output of an axis is made of.
struct Taps {
  int64_t index[kMaxTaps];
  float weight[kMaxTaps];
};

struct Axis {
  int64_t in, out;
};

// Keys 1981 with a = -0.75: at distances up to 1, and from 1 to 2.
__device__ float inner_weight(float d) {
  constexpr float a = -0.75f;
  return ((a + 2.0f) * d - (a + 3.0f)) * d * d + 1.0f;
}
__device__ float outer_weight(float d) {
  constexpr float a = -0.75f;
  return ((a * d - 5.0f * a) * d + 8.0f * a) * d - 4.0f * a;
}

// Where output `i` lies between the inputs, as the CPU rounds it (easel/backend/cpu/resampling.cpp).
__device__ float source_position(int64_t i, const Axis& axis, bool align_corners) {
  const auto at = static_cast<double>(i);
  const auto in = static_cast<double>(axis.in);
  const auto out = static_cast<double>(axis.out);
  if (align_corners) return axis.out == 1 ? 0.0f : static_cast<float>(at * (in - 1.0) / (out - 1.0));
  return static_cast<float>((at + 0.5) * in / out - 0.5);
}

template <bool kIsCubic>
__device__ Taps make_taps(int64_t i, const Axis& axis, bool align_corners) {
  const float position = source_position(i, axis, align_corners);
  const float below = floorf(position);
  const float t = position - below;
  Taps taps{};
  if constexpr (kIsCubic) {
    taps.weight[0] = outer_weight(1.0f + t);
    taps.weight[1] = inner_weight(t);
    taps.weight[2] = inner_weight(1.0f - t);
    taps.weight[3] = outer_weight(2.0f - t);
  } else {
    taps.weight[0] = 1.0f - t;
    taps.weight[1] = t;
  }
  const int64_t first = static_cast<int64_t>(below) - (kIsCubic ? 1 : 0);
#pragma unroll
  for (int k = 0; k < kMaxTaps; ++k) {
    const int64_t index = first + k;
    taps.index[k] = index < 0 ? 0 : index >= axis.in ? axis.in - 1 : index;
  }
  return taps;
}

// Rows are pixels of the result [n, height.out, width.out].
template <typename T, int kWidth, bool kIsCubic>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce)
    resize_kernel(const T* x, Axis height, Axis width, int64_t rows, bool align_corners, int columns, T* out) {
  constexpr int kTaps = kIsCubic ? 4 : 2;
  const Columns at(columns);
  if (at.is_idle()) return;
  const int64_t c = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int64_t channel = static_cast<int64_t>(column) * kWidth;
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      const int64_t line = row / width.out;
      const Taps vertical = make_taps<kIsCubic>(line % height.out, height, align_corners);
      const Taps horizontal = make_taps<kIsCubic>(row % width.out, width, align_corners);
      const T* const image = x + line / height.out * height.in * width.in * c + channel;
      Pack<kWidth> sum{};
#pragma unroll
      for (int j = 0; j < kTaps; ++j) {
        Pack<kWidth> between{};  // a pixel of the image before its width changes
#pragma unroll
        for (int i = 0; i < kTaps; ++i) {
          const Pack<kWidth> pack = load<kWidth>(image + (vertical.index[i] * width.in + horizontal.index[j]) * c);
#pragma unroll
          for (int k = 0; k < kWidth; ++k) between.at[k] = fmaf(vertical.weight[i], pack.at[k], between.at[k]);
        }
#pragma unroll
        for (int k = 0; k < kWidth; ++k) sum.at[k] = fmaf(horizontal.weight[j], between.at[k], sum.at[k]);
      }
      store(out + row * c + channel, sum);
    }
  }
}

// Windows of an axis.
struct Windows {
  int64_t in, out, before;  // before: padding
  int64_t kernel, stride;
  __device__ int64_t begin(int64_t i) const {
    const int64_t first = i * stride - before;
    return first < 0 ? 0 : first;
  }
  __device__ int64_t end(int64_t i) const {
    const int64_t last = i * stride - before + kernel;
    return last < in ? last : in;
  }
};

// Rows are pixels of the result [n, height.out, width.out].
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce)
    max_pool_kernel(const T* x, Windows height, Windows width, int64_t rows, int columns, T* out) {
  const Columns at(columns);
  if (at.is_idle()) return;
  const int64_t c = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int64_t channel = static_cast<int64_t>(column) * kWidth;
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      const int64_t line = row / width.out;
      const int64_t place_y = line % height.out;
      const int64_t place_x = row % width.out;
      const T* const image = x + line / height.out * height.in * width.in * c + channel;
      Pack<kWidth> largest;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) largest.at[k] = -INFINITY;
      for (int64_t y = height.begin(place_y); y < height.end(place_y); ++y) {
        for (int64_t z = width.begin(place_x); z < width.end(place_x); ++z) {
          const Pack<kWidth> pack = load<kWidth>(image + (y * width.in + z) * c);
#pragma unroll
          for (int k = 0; k < kWidth; ++k) {
            largest.at[k] = pack.at[k] <= largest.at[k] ? largest.at[k] : pack.at[k];
          }
        }
      }
      store(out + row * c + channel, largest);
    }
  }
}

Grid grid_of_pixels(int64_t pixels, int columns) {
  return {.x = blocks_for(pixels, Columns::rows_at_once(columns, kThreads))};
}

}  // namespace

void resize(Source x, const ImageShape& shape, int64_t out_h, int64_t out_w, const ResizeOptions& options, Target out,
            Stream stream) {
  const int64_t pixels = shape.n * out_h * out_w;
  if (pixels * shape.c == 0) return;
  const bool wide = shape.c % kVector == 0 && all_aligned(x, out);
  const bool is_cubic = options.interpolation == Interpolation::bicubic;
  with_type(x.type, [&](auto element) {
    using T = decltype(element);
    const auto columns = static_cast<int>(wide ? shape.c / kVector : shape.c);
    const auto kernel = is_cubic ? (wide ? resize_kernel<T, kVector, true> : resize_kernel<T, 1, true>)
                                 : (wide ? resize_kernel<T, kVector, false> : resize_kernel<T, 1, false>);
    launch(kernel, grid_of_pixels(pixels, columns), kThreads, 0, stream, static_cast<const T*>(x.data),
           Axis{shape.h, out_h}, Axis{shape.w, out_w}, pixels, options.align_corners, columns,
           static_cast<T*>(out.data));
  });
}

void max_pool(Source x, const ImageShape& shape, int64_t out_h, int64_t out_w, const PoolOptions& options, Target out,
              Stream stream) {
  const int64_t pixels = shape.n * out_h * out_w;
  if (pixels * shape.c == 0) return;
  const Windows height{shape.h, out_h, options.padding.top, options.kernel, options.stride};
  const Windows width{shape.w, out_w, options.padding.left, options.kernel, options.stride};
  const bool wide = shape.c % kVector == 0 && all_aligned(x, out);
  with_type(x.type, [&](auto element) {
    using T = decltype(element);
    const auto columns = static_cast<int>(wide ? shape.c / kVector : shape.c);
    launch(wide ? max_pool_kernel<T, kVector> : max_pool_kernel<T, 1>, grid_of_pixels(pixels, columns), kThreads, 0,
           stream, static_cast<const T*>(x.data), height, width, pixels, columns, static_cast<T*>(out.data));
  });
}

}  // namespace easel::cuda
