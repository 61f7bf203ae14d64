#include "easel/backend/cuda/kernels/activation.cuh"
#include "easel/backend/cuda/kernels/columns.cuh"

namespace easel::cuda {
namespace {

// Where and how to add; see Additions. Rows are of all images, rows_of_image of each.
template <typename T>
struct AddArguments {
  const T* x;
  T* out;
  Additions additions;
  int64_t rows, rows_of_image;
};

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) add_kernel(AddArguments<T> arguments, int columns) {
  const Columns at(columns);
  if (at.is_idle()) return;
  const Additions& additions = arguments.additions;
  const int64_t c = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int64_t channel = static_cast<int64_t>(column) * kWidth;
    Pack<kWidth> bias{};
    if (additions.bias.data != nullptr) bias = load<kWidth>(additions.bias, channel);
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < arguments.rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      const int64_t index = row * c + channel;
      Pack<kWidth> sum = load<kWidth>(arguments.x + index);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) sum.at[k] += bias.at[k];
      if (additions.image_bias.data != nullptr) {
        const Pack<kWidth> pack = load<kWidth>(additions.image_bias, row / arguments.rows_of_image * c + channel);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) sum.at[k] += pack.at[k];
      }
      activate(sum, additions.activation);
      if (additions.residual.data != nullptr) {
        const Pack<kWidth> pack = load<kWidth>(additions.residual, index);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) sum.at[k] += pack.at[k];
      }
      store(arguments.out + index, sum);
    }
  }
}

// both [rows, 2 * width], out [rows, width]
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) geglu_kernel(const T* both, int64_t rows, int columns, T* out) {
  const Columns at(columns);
  if (at.is_idle()) return;
  const int64_t width = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int64_t channel = static_cast<int64_t>(column) * kWidth;
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      const T* const from = both + row * 2 * width + channel;
      Pack<kWidth> a = load<kWidth>(from);
      Pack<kWidth> gate = load<kWidth>(from + width);
      activate(gate, Activation::gelu);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) a.at[k] *= gate.at[k];
      store(out + row * width + channel, a);
    }
  }
}

// scales [2, c]
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    scale_shift_kernel(const T* x, const float* scales, int64_t rows, int columns, Activation activation, T* out) {
  const Columns at(columns);
  if (at.is_idle()) return;
  const int64_t c = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int64_t channel = static_cast<int64_t>(column) * kWidth;
    const Pack<kWidth> scale = load<kWidth>(scales + channel);
    const Pack<kWidth> shift = load<kWidth>(scales + c + channel);
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      Pack<kWidth> pack = load<kWidth>(x + row * c + channel);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) pack.at[k] = fmaf(pack.at[k], scale.at[k], shift.at[k]);
      activate(pack, activation);
      store(out + row * c + channel, pack);
    }
  }
}

}  // namespace

void add(Source x, const Additions& additions, int64_t n, int64_t rows, int64_t c, Target out, Stream stream) {
  if (n * rows * c == 0) return;
  const bool wide = c % kVector == 0 && all_aligned(x, out, additions.bias, additions.image_bias, additions.residual);
  with_type(x.type, [&](auto element) {
    using T = decltype(element);
    const AddArguments<T> arguments{.x = static_cast<const T*>(x.data),
                                    .out = static_cast<T*>(out.data),
                                    .additions = additions,
                                    .rows = n * rows,
                                    .rows_of_image = rows};
    const int64_t columns = wide ? c / kVector : c;
    launch(wide ? add_kernel<T, kVector> : add_kernel<T, 1>, grid_of_rows(n * rows, columns), kThreads, 0, stream,
           arguments, static_cast<int>(columns));
  });
}

void geglu(Source both, int64_t rows, int64_t width, Target out, Stream stream) {
  if (rows * width == 0) return;
  const bool wide = width % kVector == 0 && all_aligned(both, out);
  with_type(both.type, [&](auto element) {
    using T = decltype(element);
    const int64_t columns = wide ? width / kVector : width;
    launch(wide ? geglu_kernel<T, kVector> : geglu_kernel<T, 1>, grid_of_rows(rows, columns), kThreads, 0, stream,
           static_cast<const T*>(both.data), rows, static_cast<int>(columns), static_cast<T*>(out.data));
  });
}

void scale_shift(Source x, const float* scales, int64_t rows, int64_t c, Activation activation, Target out,
                 Stream stream) {
  if (rows * c == 0) return;
  const bool wide = c % kVector == 0 && all_aligned(x, out) && is_aligned(scales);
  with_type(x.type, [&](auto element) {
    using T = decltype(element);
    const int64_t columns = wide ? c / kVector : c;
    launch(wide ? scale_shift_kernel<T, kVector> : scale_shift_kernel<T, 1>, grid_of_rows(rows, columns), kThreads, 0,
           stream, static_cast<const T*>(x.data), scales, rows, static_cast<int>(columns), activation,
           static_cast<T*>(out.data));
  });
}

}  // namespace easel::cuda
