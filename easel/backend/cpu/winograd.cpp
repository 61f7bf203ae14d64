#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/winograd.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "easel/backend/cpu/parallel.h"
#include "easel/backend/cpu/plain_weight.h"
#include "easel/backend/cpu/weight_rows.h"
#include "easel/backend/cpu/winograd.h"
// Per-target code.
#include "easel/backend/cpu/gemm-inl.h"
#include "easel/backend/cpu/pack-inl.h"
#include "easel/backend/cpu/simd_math-inl.h"
#include "easel/backend/cpu/winograd_transforms-inl.h"

#ifndef EASEL_BACKEND_CPU_WINOGRAD_ONCE
#define EASEL_BACKEND_CPU_WINOGRAD_ONCE
namespace easel::cpu {

constexpr size_t kPoints = 36;      // 6x6 points of a tile of 4x4 outputs
constexpr size_t kDepthBlock = 64;  // input channels whose weights are transformed at a time
constexpr size_t kTapCount = 9;

struct WinogradProblem {
  const float* x;  // [n, h, w, c_in]
  WeightRows weight;
  const float* bias;        // [c_out] or null
  const float* image_bias;  // [n, c_out] or null
  const float* residual;    // as out, or null
  float* out;               // [n, rows, w, c_out]
  size_t n, h, w, c_in, c_out;
  size_t rows;                     // of the result: as x has, or fewer where the padding above or below is missing
  size_t top;                      // padding above
  size_t tile_rows, tile_columns;  // tiles per image
  PaddingMode padding;
  Activation activation;
};

// Tiles [first, first + count) of all images in row-major order, with their transformed inputs: per point, blocks of
// kDepthBlock channels (the last may be narrower) of [count, kDepthBlock], so that products read them in one stream.
struct TileBlock {
  size_t first, count;
  float* points;
};

struct TilePlace {
  size_t image, row, column;  // of the top left output pixel
};

inline TilePlace place_of(const WinogradProblem& problem, size_t tile) {
  const size_t per_image = problem.tile_rows * problem.tile_columns;
  const size_t within = tile % per_image;
  return {tile / per_image, within / problem.tile_columns * 4, within % problem.tile_columns * 4};
}

// The 6x6 pixels that a tile is computed from. A row that is not below the height lies outside of the image, where all
// is zero; a column likewise.
struct Patch {
  size_t image;
  size_t rows[6], columns[6];
};

inline Patch patch_of(const WinogradProblem& problem, const TilePlace& place) {
  Patch patch{.image = place.image, .rows = {}, .columns = {}};
  const bool circular = problem.padding == PaddingMode::circular;
  for (size_t i = 0; i < 6; ++i) {
    const size_t row = place.row + i;  // counted from the padding's first
    const size_t column = place.column + i;
    patch.rows[i] = circular ? (row + problem.h - problem.top) % problem.h : row - problem.top;  // 0 - 1 is huge
    patch.columns[i] = circular ? (column + problem.w - 1) % problem.w : column - 1;
  }
  return patch;
}

// Floats of scratch memory that ComputePanel needs for `tiles` tiles and panels of `width` channels.
inline size_t panel_scratch(size_t tiles, size_t width) {
  return width * (kPoints * tiles + kPoints * kDepthBlock + kTapCount * kDepthBlock);
}

}  // namespace easel::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

size_t WinogradPanelWidth() { return PanelWidth(); }

// Input transform B^T x B of the patch, one vector of channels.
template <class D>
HWY_INLINE void TransformPatch(D d, const WinogradProblem& problem, const Patch& patch, size_t channel, float* to,
                               size_t point_stride) {
  using V = hn::Vec<D>;
  V columns[6][6];  // [column][point]: each column of the patch transformed
  for (size_t j = 0; j < 6; ++j) {
    V x[6];
    const size_t column = patch.columns[j];
    for (size_t i = 0; i < 6; ++i) {
      const size_t row = patch.rows[i];
      const bool inside = row < problem.h && column < problem.w;
      const float* pixel = problem.x + ((patch.image * problem.h + row) * problem.w + column) * problem.c_in + channel;
      x[i] = inside ? hn::LoadU(d, pixel) : hn::Zero(d);
    }
    InputPoints(d, x, columns[j]);
  }
  for (size_t i = 0; i < 6; ++i) {
    const V x[6] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i]};
    V y[6];
    InputPoints(d, x, y);
    for (size_t j = 0; j < 6; ++j) hn::StoreU(y[j], d, to + (i * 6 + j) * point_stride);
  }
}

// Transforms tiles [begin, end) of the block.
void TransformInputs(const WinogradProblem& problem, const TileBlock& block, size_t begin, size_t end) {
  for (size_t tile = begin; tile < end; ++tile) {
    const Patch patch = patch_of(problem, place_of(problem, block.first + tile));
    for (size_t first = 0; first < problem.c_in; first += kDepthBlock) {
      const size_t depth = std::min(kDepthBlock, problem.c_in - first);
      float* const to = block.points + first * block.count + tile * depth;
      ForEachVector(depth, [&](auto d, size_t channel) {
        TransformPatch(d, problem, patch, first + channel, to + channel, block.count * problem.c_in);
      });
    }
  }
}

// taps [depth, 9, width] -> points [36, depth, width]
HWY_INLINE void TransformWeights(const float* taps, size_t depth, float* points) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const size_t width = PanelWidth();
  for (size_t k = 0; k < depth; ++k) {
    for (size_t lane = 0; lane < width; lane += hn::Lanes(d)) {
      const float* const g = taps + k * kTapCount * width + lane;
      float* const to = points + k * width + lane;
      V columns[3][6];
      for (size_t j = 0; j < 3; ++j) {
        WeightPoints(d, hn::LoadU(d, g + j * width), hn::LoadU(d, g + (3 + j) * width),
                     hn::LoadU(d, g + (6 + j) * width), columns[j]);
      }
      for (size_t i = 0; i < 6; ++i) {
        V y[6];
        WeightPoints(d, columns[0][i], columns[1][i], columns[2][i], y);
        for (size_t j = 0; j < 6; ++j) hn::StoreU(y[j], d, to + (i * 6 + j) * depth * width);
      }
    }
  }
}

// sums [36, tiles, width] of one tile -> 4x4 outputs, with all that is fused into the convolution.
template <class D>
HWY_INLINE void TransformOutput(D d, const WinogradProblem& problem, const TilePlace& place, const float* sums,
                                size_t point_stride, size_t channel) {
  using V = hn::Vec<D>;
  V rows[4][6];
  for (size_t j = 0; j < 6; ++j) {
    V m[6];
    for (size_t i = 0; i < 6; ++i) m[i] = hn::LoadU(d, sums + (i * 6 + j) * point_stride);
    V y[4];
    OutputPoints(d, m, y);
    for (size_t i = 0; i < 4; ++i) rows[i][j] = y[i];
  }
  V bias = hn::Zero(d);
  if (problem.bias != nullptr) bias = hn::LoadU(d, problem.bias + channel);
  if (problem.image_bias != nullptr) {
    bias = hn::Add(bias, hn::LoadU(d, problem.image_bias + place.image * problem.c_out + channel));
  }
  for (size_t i = 0; i < 4 && place.row + i < problem.rows; ++i) {
    V y[4];
    OutputPoints(d, rows[i], y);
    for (size_t j = 0; j < 4 && place.column + j < problem.w; ++j) {
      const size_t to =
          ((place.image * problem.rows + place.row + i) * problem.w + place.column + j) * problem.c_out + channel;
      WithActivation(problem.activation, [&](auto f) {
        V value = f(d, hn::Add(y[j], bias));
        if (problem.residual != nullptr) value = hn::Add(value, hn::LoadU(d, problem.residual + to));
        hn::StoreU(value, d, problem.out + to);
      });
    }
  }
}

// Output channels [first, first + width) of all tiles of the block.
void ComputePanel(const WinogradProblem& problem, const TileBlock& block, size_t first, float* scratch) {
  const size_t width = PanelWidth();
  const size_t channels = std::min(width, problem.c_out - first);
  const size_t point_stride = block.count * width;
  float* const sums = scratch;                                 // [36, count, width]
  float* const points = sums + kPoints * point_stride;         // [36, depth, width]
  float* const taps = points + kPoints * kDepthBlock * width;  // [depth, 9, width]
  for (size_t k = 0; k < problem.c_in; k += kDepthBlock) {
    const size_t depth = std::min(kDepthBlock, problem.c_in - k);
    PackPanel(problem.weight, first, channels, k * kTapCount, depth * kTapCount, taps);
    TransformWeights(taps, depth, points);
    for (size_t point = 0; point < kPoints; ++point) {
      const float* const x = block.points + (point * problem.c_in + k) * block.count;
      for (size_t tile = 0; tile < block.count; tile += RowsPerBlock()) {
        const float* const rows = x + tile * depth;
        PrefetchFloats(rows + RowsPerBlock() * depth, RowsPerBlock() * depth);
        GemmPanel(std::min(RowsPerBlock(), block.count - tile), rows, depth, points + point * depth * width, width,
                  sums + point * point_stride + tile * width, width, depth, k > 0);
      }
    }
  }
  for (size_t tile = 0; tile < block.count; ++tile) {
    const TilePlace place = place_of(problem, block.first + tile);
    ForEachVector(channels, [&](auto d, size_t lane) {
      TransformOutput(d, problem, place, sums + tile * width + lane, point_stride, first + lane);
    });
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {
namespace {

HWY_EXPORT(WinogradPanelWidth);
HWY_EXPORT(TransformInputs);
HWY_EXPORT(ComputePanel);

constexpr size_t kPointsBytes = 3 << 20;  // of transformed inputs at a time: they stay in the L3 cache
constexpr size_t kMinTiles = 96;          // fewer do not pay for transforming the weights once more
constexpr int64_t kMinChannels = 16;

const float* data_or_null(const std::optional<Tensor>& tensor) { return tensor ? tensor->data().data() : nullptr; }

}  // namespace

// How the tiles of a result are divided into blocks.
struct WinogradBlocks {
  size_t tiles, blocks, largest, scratch_floats;

  WinogradBlocks(const Shape& out, size_t c_in, size_t width)
      : tiles(static_cast<size_t>(out[0] * ((out[1] + 3) / 4) * ((out[2] + 3) / 4))),
        blocks((tiles + fitting(c_in) - 1) / fitting(c_in)),
        largest((tiles + blocks - 1) / blocks),
        scratch_floats(panel_scratch(largest, width)) {}
  static size_t fitting(size_t c_in) { return std::max(kMinTiles, kPointsBytes / (kPoints * c_in * sizeof(float))); }
};

WinogradMemory winograd_memory(int threads, const Tensor& x, const Tensor& out) {
  const auto c_in = static_cast<size_t>(x.dim(3));
  const WinogradBlocks blocks(out.shape(), c_in, HWY_DYNAMIC_DISPATCH(WinogradPanelWidth)());
  return {.points_floats = static_cast<int64_t>(kPoints * blocks.largest * c_in),
          .scratch_floats = threads * static_cast<int64_t>(blocks.scratch_floats)};
}

bool winograd_applies(const Tensor& x, const Parameter& weight, const Conv2dOptions& options) {
  const Padding& padding = options.padding;
  return weight.shape()[2] == 3 && weight.shape()[3] == 3 && options.stride == 1 && padding.top <= 1 &&
         padding.bottom <= 1 && padding.left == 1 && padding.right == 1 && x.dim(3) >= kMinChannels &&
         weight.shape()[0] >= kMinChannels;
}

void winograd_conv2d(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                     const Conv2dOptions& options, Tensor& out) {
  std::optional<Tensor> unpacked_weight;
  std::optional<Tensor> biases;
  if (bias != nullptr) biases = plain_values(*bias, x.device());
  const WinogradProblem problem{.x = x.data().data(),
                                .weight = weight_rows(weight, x.device(), unpacked_weight),
                                .bias = data_or_null(biases),
                                .image_bias = data_or_null(options.image_bias),
                                .residual = data_or_null(options.residual),
                                .out = out.data().data(),
                                .n = static_cast<size_t>(x.dim(0)),
                                .h = static_cast<size_t>(x.dim(1)),
                                .w = static_cast<size_t>(x.dim(2)),
                                .c_in = static_cast<size_t>(x.dim(3)),
                                .c_out = static_cast<size_t>(out.dim(3)),
                                .rows = static_cast<size_t>(out.dim(1)),
                                .top = static_cast<size_t>(options.padding.top),
                                .tile_rows = (static_cast<size_t>(out.dim(1)) + 3) / 4,
                                .tile_columns = (static_cast<size_t>(x.dim(2)) + 3) / 4,
                                .padding = options.padding.mode,
                                .activation = options.activation};
  const size_t width = HWY_DYNAMIC_DISPATCH(WinogradPanelWidth)();
  const size_t panels = (problem.c_out + width - 1) / width;
  const WinogradBlocks plan(out.shape(), problem.c_in, width);
  const size_t tiles = plan.tiles, blocks = plan.blocks, scratch_floats = plan.scratch_floats;
  Tensor points = Tensor::empty(x.device(), {static_cast<int64_t>(kPoints * plan.largest * problem.c_in)});
  Tensor scratch = Tensor::empty(x.device(), {threads, static_cast<int64_t>(scratch_floats)});
  float* const scratch_data = scratch.data().data();
  for (size_t i = 0; i < blocks; ++i) {
    const size_t first = tiles * i / blocks;
    const TileBlock block{.first = first, .count = tiles * (i + 1) / blocks - first, .points = points.data().data()};
    parallel_for(threads, static_cast<int64_t>(block.count), 1, [&](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(TransformInputs)
      (problem, block, static_cast<size_t>(begin), static_cast<size_t>(end));
    });
    parallel_items(threads, static_cast<int64_t>(panels), [&](int64_t panel, int thread) {
      HWY_DYNAMIC_DISPATCH(ComputePanel)
      (problem, block, static_cast<size_t>(panel) * width, scratch_data + static_cast<size_t>(thread) * scratch_floats);
    });
  }
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
