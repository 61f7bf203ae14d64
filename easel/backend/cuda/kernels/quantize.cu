#include <cfloat>

#include "easel/backend/cuda/kernels/activation.cuh"
#include "easel/backend/cuda/kernels/columns.cuh"
#include "easel/backend/cuda/kernels/eight_bits.cuh"
#include "easel/backend/cuda/kernels/reduction.cuh"
#include "easel/backend/cuda/kernels/weight_readers.cuh"

namespace easel::cuda {
namespace {

constexpr int kQuantizeThreads = 128;

// Where numbers come from: tensors, or weights in a file's format, one by one.
struct TensorReader {
  Source x;
  template <int kWidth>
  __device__ Pack<kWidth> read(int64_t index) const {
    return load<kWidth>(x, index);
  }
};
struct WeightReader {
  Bytes packed;
  DType type;
  template <int kWidth>
  __device__ Pack<kWidth> read(int64_t index) const {
    static_assert(kWidth == 1);
    return {{read_weight(packed, type, index)}};
  }
};

// What rows are multiplied with to become codes, and codes to become rows again.
struct RowScale {
  float to_code, from_code;
};

template <EightBits kNumbers>
__device__ RowScale scale_of_row(float largest) {
  constexpr float kLargest = kLargestCode<kNumbers>;
  if (largest > FLT_MAX) return {0.0f, NAN};
  if (largest <= kLargest * FLT_MIN) return {0.0f, 0.0f};  // the quotient might be infinite
  return {kLargest / largest, largest / kLargest};
}

// A code is a byte; kVector of them are written at once, the first in the lowest byte.
template <EightBits kNumbers, int kWidth>
__device__ void store_codes(unsigned char* codes, const Pack<kWidth>& pack, float to_code) {
  uint64_t bytes = 0;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    const unsigned code = to_code > 0.0f ? code_of<kNumbers>(pack.at[k] * to_code) : 0u;
    bytes |= static_cast<uint64_t>(code) << (8 * k);
  }
  if constexpr (kWidth == 1) {
    *codes = static_cast<unsigned char>(bytes);
  } else {
    static_assert(kWidth == sizeof bytes);
    *reinterpret_cast<uint64_t*>(codes) = bytes;
  }
}

// A warp per row of `columns` vectors, which the first of two readings brings into the cache.
template <EightBits kNumbers, int kWidth, typename Reader>
__global__ void __launch_bounds__(kQuantizeThreads)
    quantize_kernel(Reader x, int64_t rows, int columns, unsigned char* codes, float* scales) {
  const int lane = thread_index() % kWarp;
  const int warps = block_threads() / kWarp;
  const int64_t width = static_cast<int64_t>(columns) * kWidth;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * warps + thread_index() / kWarp; row < rows;
       row += static_cast<int64_t>(gridDim.x) * warps) {
    float largest = 0.0f;
    for (int column = lane; column < columns; column += kWarp) {
      const Pack<kWidth> pack = x.template read<kWidth>(row * width + static_cast<int64_t>(column) * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        const float magnitude = fabsf(pack.at[k]);
        largest = fmaxf(largest, magnitude <= FLT_MAX ? magnitude : INFINITY);  // fmaxf would not see NaN
      }
    }
    const RowScale scale = scale_of_row<kNumbers>(reduce_lanes(largest, Largest()));
    if (lane == 0) scales[row] = scale.from_code;
    for (int column = lane; column < columns; column += kWarp) {
      const int64_t index = row * width + static_cast<int64_t>(column) * kWidth;
      store_codes<kNumbers>(codes + index, x.template read<kWidth>(index), scale.to_code);
    }
  }
}

template <int kWidth, typename Reader>
void launch_quantize(const Reader& x, int64_t rows, int64_t width, EightBits numbers, void* codes, float* scales,
                     Stream stream) {
  const auto columns = static_cast<int>(width / kWidth);
  launch(numbers == EightBits::int8 ? quantize_kernel<EightBits::int8, kWidth, Reader>
                                    : quantize_kernel<EightBits::e4m3, kWidth, Reader>,
         {.x = blocks_for(rows, kQuantizeThreads / kWarp)}, kQuantizeThreads, 0, stream, x, rows, columns,
         static_cast<unsigned char*>(codes), scales);
}

// One row of scaled sums with their bias.
template <int kWidth, typename Sum>
__device__ Pack<kWidth> scaled_sums(const Sum* sums, float row_scale, const Pack<kWidth>& column_scales,
                                    const Pack<kWidth>& bias) {
  Pack<kWidth> pack = load<kWidth>(sums);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) pack.at[k] = fmaf(pack.at[k] * row_scale, column_scales.at[k], bias.at[k]);
  return pack;
}

template <int kWidth>
__device__ Pack<kWidth> bias_of(const Source& bias, int64_t channel) {
  if (bias.data == nullptr) return {};
  return load<kWidth>(bias, channel);
}

template <typename Sum, int kWidth>
__global__ void __launch_bounds__(kThreads)
    scale_kernel(const Sum* sums, int64_t rows, int columns, ProductScales scales, ProductEnd end, Target out) {
  const Columns at(columns);
  if (at.is_idle()) return;
  const int64_t c = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int64_t channel = static_cast<int64_t>(column) * kWidth;
    const Pack<kWidth> column_scales = load<kWidth>(scales.columns + channel);
    const Pack<kWidth> bias = bias_of<kWidth>(end.bias, channel);
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      const int64_t index = row * c + channel;
      Pack<kWidth> pack = scaled_sums<kWidth>(sums + index, scales.rows[row], column_scales, bias);
      activate(pack, end.activation);
      if (end.residual.data != nullptr) {
        const Pack<kWidth> residual = load<kWidth>(end.residual, index);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) pack.at[k] += residual.at[k];
      }
      store(out, index, pack);
    }
  }
}

// columns: of the result, half of those of the sums
template <typename Sum, int kWidth>
__global__ void __launch_bounds__(kThreads)
    scale_geglu_kernel(const Sum* sums, int64_t rows, int columns, ProductScales scales, Source bias, Target out) {
  const Columns at(columns);
  if (at.is_idle()) return;
  const int64_t width = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int64_t channel = static_cast<int64_t>(column) * kWidth;
    const Pack<kWidth> a_scales = load<kWidth>(scales.columns + channel);
    const Pack<kWidth> gate_scales = load<kWidth>(scales.columns + width + channel);
    const Pack<kWidth> a_bias = bias_of<kWidth>(bias, channel);
    const Pack<kWidth> gate_bias = bias_of<kWidth>(bias, width + channel);
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      const Sum* const from = sums + row * 2 * width + channel;
      Pack<kWidth> a = scaled_sums<kWidth>(from, scales.rows[row], a_scales, a_bias);
      Pack<kWidth> gate = scaled_sums<kWidth>(from + width, scales.rows[row], gate_scales, gate_bias);
      activate(gate, Activation::gelu);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) a.at[k] *= gate.at[k];
      store(out, row * width + channel, a);
    }
  }
}

// Calls body(Sum()) with the C++ type of sums.
template <typename Body>
void with_sums(EightBits numbers, const Body& body) {
  if (numbers == EightBits::int8) return body(int32_t());
  return body(float());
}

}  // namespace

void quantize_rows(Source x, int64_t rows, int64_t width, EightBits numbers, void* codes, float* scales,
                   Stream stream) {
  if (rows * width == 0) return;
  if (width % kVector == 0 && is_aligned(x.data) && is_aligned(codes)) {
    return launch_quantize<kVector>(TensorReader{x}, rows, width, numbers, codes, scales, stream);
  }
  launch_quantize<1>(TensorReader{x}, rows, width, numbers, codes, scales, stream);
}

void quantize_weight(const void* packed, DType packed_type, int64_t rows, int64_t width, EightBits numbers, void* codes,
                     float* scales, Stream stream) {
  if (rows * width == 0) return;
  const bool is_plain = packed_type == DType::f32 || packed_type == DType::f16 || packed_type == DType::bf16;
  if (is_plain && is_aligned(packed)) {
    return quantize_rows({packed, packed_type}, rows, width, numbers, codes, scales, stream);
  }
  const WeightReader reader{static_cast<Bytes>(packed), packed_type};
  launch_quantize<1>(reader, rows, width, numbers, codes, scales, stream);
}

void scale_sums(const void* sums, EightBits numbers, int64_t rows, int64_t c, const ProductScales& scales,
                const ProductEnd& end, Target out, Stream stream) {
  if (rows * c == 0) return;
  const bool wide =
      c % kVector == 0 && is_aligned(sums) && is_aligned(scales.columns) && all_aligned(out, end.bias, end.residual);
  with_sums(numbers, [&](auto element) {
    using Sum = decltype(element);
    const int64_t columns = wide ? c / kVector : c;
    launch(wide ? scale_kernel<Sum, kVector> : scale_kernel<Sum, 1>, grid_of_rows(rows, columns), kThreads, 0, stream,
           static_cast<const Sum*>(sums), rows, static_cast<int>(columns), scales, end, out);
  });
}

void scale_sums_geglu(const void* sums, EightBits numbers, int64_t rows, int64_t width, const ProductScales& scales,
                      Source bias, Target out, Stream stream) {
  if (rows * width == 0) return;
  const bool wide = width % kVector == 0 && is_aligned(sums) && is_aligned(scales.columns) && all_aligned(out, bias);
  with_sums(numbers, [&](auto element) {
    using Sum = decltype(element);
    const int64_t columns = wide ? width / kVector : width;
    launch(wide ? scale_geglu_kernel<Sum, kVector> : scale_geglu_kernel<Sum, 1>, grid_of_rows(rows, columns), kThreads,
           0, stream, static_cast<const Sum*>(sums), rows, static_cast<int>(columns), scales, bias, out);
  });
}

}  // namespace easel::cuda
