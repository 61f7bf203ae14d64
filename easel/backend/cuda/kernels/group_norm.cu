// Group normalisation in two kernels: moments of chunks of pixels, then the normalisation, whose every block merges the
// moments of its image. Differences are taken to a value of the data, so a large mean costs no precision.
#include "easel/backend/cuda/kernels/activation.cuh"
#include "easel/backend/cuda/kernels/columns.cuh"
#include "easel/backend/cuda/kernels/reduction.cuh"

namespace easel::cuda {
namespace {

constexpr int kNormThreads = 512;

// An image's pixels in chunks of nearly equal size.
struct Chunks {
  int64_t pixels;
  int count;
  __device__ int64_t first(int chunk) const { return pixels * chunk / count; }
  __device__ int64_t size(int chunk) const { return first(chunk + 1) - first(chunk); }
};

// Few enough that merging them costs little, many enough that a large image keeps a card busy.
int chunks_of(int64_t pixels) {
  if (pixels >= 1 << 14) return 128;
  const int64_t chunks = pixels / 32;
  return static_cast<int>(chunks < 1 ? 1 : chunks > 64 ? 64 : chunks);
}

struct GroupShape {
  int groups;
  int size;  // channels of a group
};

// One block per chunk (x) and image (y): parts [n, chunks, groups] = mean and spread (Moments).
// Shared: means and spreads [rows at once][c] of the block's threads.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kNormThreads, kBlocksAtOnce)
    group_moments(const T* x, Chunks chunks, int columns, GroupShape shape, float2* parts) {
  const Columns at(columns);
  const int c = columns * kWidth;
  const int chunk = static_cast<int>(blockIdx.x);
  const int64_t image = blockIdx.y;
  const int64_t size = chunks.size(chunk);
  const T* const from = x + (image * chunks.pixels + chunks.first(chunk)) * c;
  // Of the chunk's pixels, those that row r of the block has seen.
  const auto pixels_of = [&](int64_t r) { return r < size ? (size - r - 1) / at.rows + 1 : 0; };
  float* const means = shared<float>();
  float* const spreads = means + at.rows * c;

  if (!at.is_idle()) {
    const auto count = static_cast<float>(pixels_of(at.row));
    for (int column = at.first; column < columns; column += block_threads()) {
      const int channel = column * kWidth;
      Pack<kWidth> pivot{}, sum{}, squares{};
      if (at.row < size) pivot = load<kWidth>(from + static_cast<int64_t>(at.row) * c + channel);
#pragma unroll 4
      for (int64_t pixel = at.row; pixel < size; pixel += at.rows) {
        const Pack<kWidth> pack = load<kWidth>(from + pixel * c + channel);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          const float difference = pack.at[k] - pivot.at[k];
          sum.at[k] += difference;
          squares.at[k] = fmaf(difference, difference, squares.at[k]);
        }
      }
      const float inverse = count > 0.0f ? 1.0f / count : 0.0f;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        means[at.row * c + channel + k] = pivot.at[k] + sum.at[k] * inverse;
        spreads[at.row * c + channel + k] = squares.at[k] - sum.at[k] * sum.at[k] * inverse;
      }
    }
  }
  __syncthreads();

  const int lane = thread_index() % kWarp;
  for (int group = thread_index() / kWarp; group < shape.groups; group += block_threads() / kWarp) {
    Moments moments;
    for (int i = lane; i < at.rows * shape.size; i += kWarp) {
      const int row = i / shape.size;
      const int place = row * c + group * shape.size + i % shape.size;
      moments = merged(moments, {static_cast<float>(pixels_of(row)), means[place], spreads[place]});
    }
    moments = merge_lanes(moments);
    if (lane == 0) {
      parts[(image * chunks.count + chunk) * shape.groups + group] = make_float2(moments.mean, moments.spread);
    }
  }
}

struct Normalization {
  NormWeights weights;
  float epsilon;
  Activation activation;
};

// Blocks of pixels (x) and images (y). Shared: [groups] of mean and 1 / standard deviation.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kNormThreads)
    normalize_groups(const T* x, Chunks chunks, int columns, GroupShape shape, const float2* parts, Normalization norm,
                     T* out) {
  float2* const groups = shared<float2>();
  const int64_t image = blockIdx.y;
  const int lane = thread_index() % kWarp;
  for (int group = thread_index() / kWarp; group < shape.groups; group += block_threads() / kWarp) {
    Moments moments;
    for (int chunk = lane; chunk < chunks.count; chunk += kWarp) {
      const float2 part = parts[(image * chunks.count + chunk) * shape.groups + group];
      moments = merged(moments, {static_cast<float>(chunks.size(chunk) * shape.size), part.x, part.y});
    }
    moments = merge_lanes(moments);
    if (lane == 0) {
      const float variance = moments.spread / moments.count;
      groups[group] = make_float2(moments.mean, 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + norm.epsilon));
    }
  }
  __syncthreads();

  const Columns at(columns);
  if (at.is_idle()) return;
  const int64_t c = static_cast<int64_t>(columns) * kWidth;
  for (int column = at.first; column < columns; column += block_threads()) {
    const int channel = column * kWidth;
    Pack<kWidth> scale = load<kWidth>(norm.weights.weight, channel);
    Pack<kWidth> shift = load<kWidth>(norm.weights.bias, channel);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const float2 group = groups[(channel + k) / shape.size];
      scale.at[k] *= group.y;
      shift.at[k] = fmaf(-group.x, scale.at[k], shift.at[k]);
    }
    for (int64_t pixel = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; pixel < chunks.pixels;
         pixel += static_cast<int64_t>(gridDim.x) * at.rows) {
      const int64_t index = (image * chunks.pixels + pixel) * c + channel;
      Pack<kWidth> pack = load<kWidth>(x + index);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) pack.at[k] = fmaf(pack.at[k], scale.at[k], shift.at[k]);
      activate(pack, norm.activation);
      store(out + index, pack);
    }
  }
}

// A block normalises so many times the rows it takes at once, to be worth merging the moments.
constexpr int64_t kRowsPerBlock = 8;

template <typename T, int kWidth>
void launch_group_norm(const T* x, Chunks chunks, int64_t n, int64_t c, GroupShape shape, const Normalization& norm,
                       T* out, float2* parts, Stream stream) {
  const auto columns = static_cast<int>(c / kWidth);
  const int64_t rows = Columns::rows_at_once(columns, kNormThreads);
  const size_t shared_bytes = 2 * sizeof(float) * static_cast<size_t>(rows * c);
  launch(group_moments<T, kWidth>, {.x = chunks.count, .y = n}, kNormThreads, shared_bytes, stream, x, chunks, columns,
         shape, parts);
  launch(normalize_groups<T, kWidth>, {.x = blocks_for(chunks.pixels, rows * kRowsPerBlock), .y = n}, kNormThreads,
         sizeof(float2) * static_cast<size_t>(shape.groups), stream, x, chunks, columns, shape, parts, norm, out);
}

}  // namespace

int64_t group_norm_scratch_bytes(int64_t n, int64_t pixels, int64_t groups) {
  return n * chunks_of(pixels) * groups * static_cast<int64_t>(sizeof(float2));
}

void group_norm(Source x, const NormWeights& weights, int64_t n, int64_t pixels, int64_t c, int64_t groups,
                float epsilon, Activation activation, Target out, void* scratch, Stream stream) {
  if (n * pixels * c == 0) return;
  const Chunks chunks{.pixels = pixels, .count = chunks_of(pixels)};
  const GroupShape shape{.groups = static_cast<int>(groups), .size = static_cast<int>(c / groups)};
  const Normalization norm{.weights = weights, .epsilon = epsilon, .activation = activation};
  const bool wide = c % kVector == 0 && all_aligned(x, out, weights.weight, weights.bias);
  with_type(x.type, [&](auto element) {
    using T = decltype(element);
    (wide ? launch_group_norm<T, kVector> : launch_group_norm<T, 1>)(static_cast<const T*>(x.data), chunks, n, c, shape,
                                                                     norm, static_cast<T*>(out.data),
                                                                     static_cast<float2*>(scratch), stream);
  });
}

}  // namespace easel::cuda
