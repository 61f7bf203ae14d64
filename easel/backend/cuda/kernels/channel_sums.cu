// The parts of a group norm of images that come in bands. Sums of many pixels are in f64, as on the CPU.
#include "easel/backend/cuda/kernels/columns.cuh"

namespace easel::cuda {
namespace {

constexpr int kRun = 64;  // differences of so many pixels are summed in f32

int64_t chunks_of(int64_t pixels) {
  const int64_t chunks = pixels / kRun;
  return chunks < 1 ? 1 : chunks > 128 ? 128 : chunks;
}

// One block per chunk: parts [chunks, 2, c]. Shared: [rows at once][c] sums of the block's threads.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce)
    chunk_sums(const T* x, Source pivot, int64_t pixels, int columns, double* parts) {
  const Columns at(columns);
  const int c = columns * kWidth;
  const int64_t chunk = blockIdx.x;
  const int64_t begin = pixels * chunk / gridDim.x;
  const int64_t end = pixels * (chunk + 1) / gridDim.x;
  double* const sums = shared<double>();
  for (int power = 1; power <= 2; ++power) {  // of the differences
    for (int column = at.first; column < columns && !at.is_idle(); column += block_threads()) {
      const int channel = column * kWidth;
      const Pack<kWidth> origin = load<kWidth>(pivot, channel);
      double total[kWidth] = {};
      for (int64_t first = begin + at.row; first < end; first += static_cast<int64_t>(kRun) * at.rows) {
        Pack<kWidth> sum{};
        for (int step = 0; step < kRun; ++step) {
          const int64_t pixel = first + static_cast<int64_t>(step) * at.rows;
          if (pixel >= end) break;
          const Pack<kWidth> pack = load<kWidth>(x + pixel * c + channel);
#pragma unroll
          for (int k = 0; k < kWidth; ++k) {
            const float difference = pack.at[k] - origin.at[k];
            sum.at[k] = fmaf(difference, power == 2 ? difference : 1.0f, sum.at[k]);
          }
        }
#pragma unroll
        for (int k = 0; k < kWidth; ++k) total[k] += static_cast<double>(sum.at[k]);
      }
#pragma unroll
      for (int k = 0; k < kWidth; ++k) sums[at.row * c + channel + k] = total[k];
    }
    __syncthreads();
    for (int channel = thread_index(); channel < c; channel += block_threads()) {
      double total = 0.0;
      for (int row = 0; row < at.rows; ++row) total += sums[row * c + channel];
      parts[(2 * chunk + power - 1) * c + channel] = total;
    }
    __syncthreads();
  }
}

// sums [2 * c] = before + the sum of parts [chunks, 2 * c]
__global__ void __launch_bounds__(kThreads)
    add_chunks(const double* parts, int64_t chunks, int64_t doubled_c, const double* before, double* sums) {
  for (int64_t i = first_item(); i < doubled_c; i += item_stride()) {
    double total = before != nullptr ? before[i] : 0.0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) total += parts[chunk * doubled_c + i];
    sums[i] = total;
  }
}

struct ScaleArguments {
  const double* sums;
  Source pivot;
  int64_t pixels;
  NormWeights weights;
  int64_t c, groups;
  float epsilon;
  float* scales;
};

// A thread per group; the formulas are those of the CPU (easel/backend/cpu/group_norm.cpp).
__global__ void __launch_bounds__(kThreads) group_scales(ScaleArguments arguments) {
  const int64_t c = arguments.c;
  const int64_t size = c / arguments.groups;
  const auto pixels = static_cast<double>(arguments.pixels);
  const auto channel_mean = [&](int64_t channel) {
    return static_cast<double>(load_one(arguments.pivot, channel)) + arguments.sums[channel] / pixels;
  };
  for (int64_t group = first_item(); group < arguments.groups; group += item_stride()) {
    const int64_t first = group * size;
    double mean = 0.0;
    for (int64_t channel = first; channel < first + size; ++channel) {
      mean += channel_mean(channel) / static_cast<double>(size);
    }
    double spread = 0.0;
    for (int64_t channel = first; channel < first + size; ++channel) {
      const double sum = arguments.sums[channel];
      const double difference = channel_mean(channel) - mean;
      spread += arguments.sums[c + channel] - sum * sum / pixels + pixels * difference * difference;
    }
    const double variance = (spread < 0.0 ? 0.0 : spread) / (pixels * static_cast<double>(size));
    const double inverse = 1.0 / sqrt(variance + static_cast<double>(arguments.epsilon));
    for (int64_t channel = first; channel < first + size; ++channel) {
      const double factor = static_cast<double>(load_one(arguments.weights.weight, channel)) * inverse;
      arguments.scales[channel] = static_cast<float>(factor);
      arguments.scales[c + channel] =
          static_cast<float>(static_cast<double>(load_one(arguments.weights.bias, channel)) - mean * factor);
    }
  }
}

}  // namespace

int64_t channel_sums_scratch_bytes(int64_t pixels, int64_t c) {
  return chunks_of(pixels) * 2 * c * static_cast<int64_t>(sizeof(double));
}

void channel_sums(Source x, Source pivot, int64_t pixels, int64_t c, const double* before, double* sums, void* scratch,
                  Stream stream) {
  if (c == 0) return;
  const int64_t chunks = chunks_of(pixels);
  auto* const parts = static_cast<double*>(scratch);
  const bool wide = c % kVector == 0 && all_aligned(x, pivot);
  with_type(x.type, [&](auto element) {
    using T = decltype(element);
    const auto columns = static_cast<int>(wide ? c / kVector : c);
    const auto rows = static_cast<int64_t>(Columns::rows_at_once(columns, kThreads));
    launch(wide ? chunk_sums<T, kVector> : chunk_sums<T, 1>, {.x = chunks}, kThreads,
           sizeof(double) * static_cast<size_t>(rows * c), stream, static_cast<const T*>(x.data), pivot, pixels,
           columns, parts);
  });
  launch(add_chunks, {.x = blocks_for(2 * c, kThreads)}, kThreads, 0, stream, parts, chunks, 2 * c, before, sums);
}

void group_norm_scales(const double* sums, Source pivot, int64_t pixels, const NormWeights& weights, int64_t c,
                       int64_t groups, float epsilon, float* scales, Stream stream) {
  if (c == 0) return;
  launch(group_scales, {.x = blocks_for(groups, kWarp)}, kWarp, 0, stream,
         ScaleArguments{.sums = sums,
                        .pivot = pivot,
                        .pixels = pixels,
                        .weights = weights,
                        .c = c,
                        .groups = groups,
                        .epsilon = epsilon,
                        .scales = scales});
}

}  // namespace easel::cuda
