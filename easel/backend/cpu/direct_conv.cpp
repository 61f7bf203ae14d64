#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/direct_conv.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "easel/backend/cpu/direct_conv.h"
#include "easel/backend/cpu/parallel.h"
#include "easel/backend/cpu/plain_weight.h"
#include "easel/backend/cpu/weight_rows.h"
// Per-target code.
#include "easel/backend/cpu/gemm-inl.h"
#include "easel/backend/cpu/pack-inl.h"
#include "easel/backend/cpu/simd_math-inl.h"

#ifndef EASEL_BACKEND_CPU_DIRECT_CONV_ONCE
#define EASEL_BACKEND_CPU_DIRECT_CONV_ONCE
namespace easel::cpu {

// A patch is what lies under the kernel for one pixel of the result: [kernel rows, kernel columns, c_in], its depth.
// A row of it lies together in x.
struct DirectProblem {
  const float* x;  // [n, h, w, c_in]
  WeightRows weight;
  const float* bias;        // [c_out] or null
  const float* image_bias;  // [n, c_out] or null
  const float* residual;    // as out, or null
  float* out;               // [n, rows, columns, c_out]
  size_t h, w, c_in;
  size_t rows, columns, c_out;
  size_t kernel_rows, kernel_columns, stride, top, left;
  Activation activation;

  size_t taps() const { return kernel_rows * kernel_columns; }
  size_t depth() const { return taps() * c_in; }
};

// A part of the result: channels of whole panels, and pixels of all images in row-major order.
struct DirectPart {
  size_t first_channel, channels;
  size_t first_pixel, pixels;
};

// A pixel of the result.
struct PixelPlace {
  size_t image, row, column;
};

inline PixelPlace place_of(const DirectProblem& problem, size_t pixel) {
  return {pixel / (problem.rows * problem.columns), pixel / problem.columns % problem.rows, pixel % problem.columns};
}

inline PixelPlace next(const DirectProblem& problem, PixelPlace place) {
  if (++place.column < problem.columns) return place;
  if (++place.row < problem.rows) return {place.image, place.row, 0};
  return {place.image + 1, 0, 0};
}

constexpr size_t kDepthBlock = 256;          // of patches: 12 of them stay in the L1 cache
constexpr size_t kPackColumns = 256;         // of the weight, brought into the order of patches at a time
constexpr size_t kPackedBytes = 832 * 1024;  // of weight panels: they stay in the L2 cache
constexpr size_t kMaxPanels = 5;
constexpr size_t kMostRows = 12;  // of a register block

}  // namespace easel::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

size_t DirectPanelWidth() { return PanelWidth(); }

// Elements [first, first + count) of a row of `size` floats that has zeros around it.
HWY_INLINE void CopyFromRow(const float* row, ptrdiff_t size, ptrdiff_t first, ptrdiff_t count, float* to) {
  const ptrdiff_t begin = std::clamp<ptrdiff_t>(-first, 0, count);
  const ptrdiff_t end = std::clamp<ptrdiff_t>(size - first, begin, count);
  std::fill(to, to + begin, 0.0f);
  if (end > begin) std::memcpy(to + begin, row + first + begin, static_cast<size_t>(end - begin) * sizeof(float));
  std::fill(to + end, to + count, 0.0f);
}

// `count` elements of the patch of a pixel, from element `within` of its row `patch_row` on.
HWY_INLINE void CopyPatch(const DirectProblem& problem, const PixelPlace& place, size_t patch_row, size_t within,
                          size_t count, float* to) {
  const size_t patch_row_floats = problem.kernel_columns * problem.c_in;
  const size_t row_floats = problem.w * problem.c_in;
  const ptrdiff_t left =
      (static_cast<ptrdiff_t>(place.column * problem.stride) - static_cast<ptrdiff_t>(problem.left)) *
      static_cast<ptrdiff_t>(problem.c_in);
  while (count > 0) {
    const size_t floats = std::min(patch_row_floats - within, count);
    const size_t y = place.row * problem.stride + patch_row - problem.top;  // 0 - 1 is huge
    if (y < problem.h) {
      CopyFromRow(problem.x + (place.image * problem.h + y) * row_floats, static_cast<ptrdiff_t>(row_floats),
                  left + static_cast<ptrdiff_t>(within), static_cast<ptrdiff_t>(floats), to);
    } else {
      std::fill(to, to + floats, 0.0f);
    }
    to += floats;
    count -= floats;
    within = 0;
    ++patch_row;
  }
}

// Channels [first, first + channels) of the weight, whose elements are [c_in, taps] -> panel [taps, c_in, width].
// chunk: [kPackColumns, width]
HWY_INLINE void PackTaps(const DirectProblem& problem, size_t first, size_t channels, float* chunk, float* panel) {
  const size_t width = PanelWidth();
  const size_t taps = problem.taps();
  for (size_t column = 0; column < problem.depth(); column += kPackColumns) {
    const size_t columns = std::min(kPackColumns, problem.depth() - column);
    PackPanel(problem.weight, first, channels, column, columns, chunk);
    for (size_t i = 0; i < columns; ++i) {
      const size_t k = (column + i) % taps * problem.c_in + (column + i) / taps;
      std::memcpy(panel + k * width, chunk + i * width, width * sizeof(float));
    }
  }
}

// The finished sums [channels] of a pixel of an image -> the result.
HWY_INLINE void FinishPixel(const DirectProblem& problem, const DirectPart& part, size_t pixel, size_t image,
                            const float* sums) {
  const size_t first = part.first_channel;
  const size_t to = pixel * problem.c_out + first;
  const float* const image_bias =
      problem.image_bias != nullptr ? problem.image_bias + image * problem.c_out + first : nullptr;
  WithActivation(problem.activation, [&](auto f) {
    ForEachVector(part.channels, [&](auto d, size_t j) {
      auto y = hn::LoadU(d, sums + j);
      if (problem.bias != nullptr) y = hn::Add(y, hn::LoadU(d, problem.bias + first + j));
      if (image_bias != nullptr) y = hn::Add(y, hn::LoadU(d, image_bias + j));
      y = f(d, y);
      if (problem.residual != nullptr) y = hn::Add(y, hn::LoadU(d, problem.residual + to + j));
      hn::StoreU(y, d, problem.out + to + j);
    });
  });
}

// `scratch` holds what DirectPlan says.
void ComputeDirectPart(const DirectProblem& problem, const DirectPart& part, float* scratch) {
  static_assert(RowsPerBlock() <= kMostRows);
  const size_t width = PanelWidth();
  const size_t panels = (part.channels + width - 1) / width;
  const size_t depth = problem.depth();
  const size_t stride = panels * width;
  float* const chunk = scratch;                           // [kPackColumns, width]
  float* const patches = chunk + kPackColumns * width;    // [kMostRows, kDepthBlock]
  float* const tile = patches + kMostRows * kDepthBlock;  // [kMostRows, stride]
  float* const weights = tile + kMostRows * stride;       // [panels, depth, width]
  for (size_t panel = 0; panel < panels; ++panel) {
    PackTaps(problem, part.first_channel + panel * width, std::min(width, part.channels - panel * width), chunk,
             weights + panel * depth * width);
  }
  const size_t patch_row_floats = problem.kernel_columns * problem.c_in;
  PixelPlace place = place_of(problem, part.first_pixel);
  PixelPlace places[kMostRows];
  for (size_t pixel = part.first_pixel; pixel < part.first_pixel + part.pixels; pixel += RowsPerBlock()) {
    const size_t pixels = std::min(RowsPerBlock(), part.first_pixel + part.pixels - pixel);
    for (size_t i = 0; i < pixels; ++i, place = next(problem, place)) places[i] = place;
    for (size_t k = 0; k < depth; k += kDepthBlock) {
      const size_t count = std::min(kDepthBlock, depth - k);
      const size_t patch_row = k / patch_row_floats, within = k % patch_row_floats;
      for (size_t i = 0; i < pixels; ++i) {
        CopyPatch(problem, places[i], patch_row, within, count, patches + i * count);
      }
      for (size_t panel = 0; panel < panels; ++panel) {
        const float* const b = weights + (panel * depth + k) * width;
        float* const c = tile + panel * width;
        if (part.channels - panel * width <= width / 2) {
          GemmRows<1>(pixels, patches, count, b, width, c, stride, count, k > 0);
        } else {
          GemmPanel(pixels, patches, count, b, width, c, stride, count, k > 0);
        }
      }
    }
    for (size_t i = 0; i < pixels; ++i) FinishPixel(problem, part, pixel + i, places[i].image, tile + i * stride);
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {
namespace {

HWY_EXPORT(DirectPanelWidth);
HWY_EXPORT(ComputeDirectPart);

constexpr size_t kPackingPixels = 16;  // in whose time, about, a panel is packed

const float* data_or_null(const std::optional<Tensor>& tensor) { return tensor ? tensor->data().data() : nullptr; }

// How the channels of a result are divided into groups of panels.
struct DirectPlan {
  size_t width, panels, groups, scratch_floats;

  DirectPlan(size_t threads, size_t depth, size_t c_out) : width(HWY_DYNAMIC_DISPATCH(DirectPanelWidth)()) {
    const size_t all_panels = (c_out + width - 1) / width;
    const size_t fair = (all_panels + threads - 1) / threads;
    const size_t fitting = std::max<size_t>(1, kPackedBytes / (width * depth * sizeof(float)));
    panels = std::min({fitting, kMaxPanels, fair});
    groups = (all_panels + panels - 1) / panels;
    scratch_floats = kPackColumns * width + kMostRows * kDepthBlock + (kMostRows + depth) * panels * width;
  }

  // Into how many chunks the pixels of each group are divided, so that all threads are done soonest.
  size_t chunks(size_t threads, size_t pixels) const {
    const auto cost = [&](size_t chunks) {
      return (groups * chunks + threads - 1) / threads * ((pixels + chunks - 1) / chunks + kPackingPixels);
    };
    size_t best = 1;
    for (size_t chunks = 2; chunks <= threads; ++chunks) {
      if (cost(chunks) < cost(best)) best = chunks;
    }
    return best;
  }
};

}  // namespace

int64_t direct_conv_scratch_floats(int threads, const Tensor& out, const Parameter& weight) {
  const auto depth = static_cast<size_t>(weight.shape().count() / weight.shape()[0]);
  const DirectPlan plan(static_cast<size_t>(threads), depth, static_cast<size_t>(out.dim(3)));
  return threads * static_cast<int64_t>(plan.scratch_floats);
}

void direct_conv2d(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                   const Conv2dOptions& options, Tensor& out) {
  std::optional<Tensor> unpacked_weight;
  std::optional<Tensor> biases;
  if (bias != nullptr) biases = plain_values(*bias, x.device());
  const DirectProblem problem{.x = x.data().data(),
                              .weight = weight_rows(weight, x.device(), unpacked_weight),
                              .bias = data_or_null(biases),
                              .image_bias = data_or_null(options.image_bias),
                              .residual = data_or_null(options.residual),
                              .out = out.data().data(),
                              .h = static_cast<size_t>(x.dim(1)),
                              .w = static_cast<size_t>(x.dim(2)),
                              .c_in = static_cast<size_t>(x.dim(3)),
                              .rows = static_cast<size_t>(out.dim(1)),
                              .columns = static_cast<size_t>(out.dim(2)),
                              .c_out = static_cast<size_t>(out.dim(3)),
                              .kernel_rows = static_cast<size_t>(weight.shape()[2]),
                              .kernel_columns = static_cast<size_t>(weight.shape()[3]),
                              .stride = static_cast<size_t>(options.stride),
                              .top = static_cast<size_t>(options.padding.top),
                              .left = static_cast<size_t>(options.padding.left),
                              .activation = options.activation};
  const DirectPlan plan(static_cast<size_t>(threads), problem.depth(), problem.c_out);
  const auto pixels = static_cast<size_t>(out.count()) / problem.c_out;
  const size_t chunks = plan.chunks(static_cast<size_t>(threads), pixels);
  Tensor scratch = Tensor::empty(x.device(), {threads, static_cast<int64_t>(plan.scratch_floats)});
  float* const scratch_data = scratch.data().data();
  parallel_items(threads, static_cast<int64_t>(plan.groups * chunks), [&](int64_t item, int thread) {
    const size_t first_channel = static_cast<size_t>(item) / chunks * plan.panels * plan.width;
    const size_t chunk = static_cast<size_t>(item) % chunks;
    const size_t first_pixel = pixels * chunk / chunks;
    const DirectPart part{.first_channel = first_channel,
                          .channels = std::min(plan.panels * plan.width, problem.c_out - first_channel),
                          .first_pixel = first_pixel,
                          .pixels = pixels * (chunk + 1) / chunks - first_pixel};
    HWY_DYNAMIC_DISPATCH(ComputeDirectPart)
    (problem, part, scratch_data + static_cast<size_t>(thread) * plan.scratch_floats);
  });
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
