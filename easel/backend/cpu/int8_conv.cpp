#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/int8_conv.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "easel/backend/cpu/int8_conv.h"
#include "easel/backend/cpu/int8_dot.h"
#include "easel/backend/cpu/int8_weight.h"
#include "easel/backend/cpu/parallel.h"
#include "easel/backend/cpu/plain_weight.h"
// Per-target code.
#include "easel/backend/cpu/simd_math-inl.h"

#ifndef EASEL_BACKEND_CPU_INT8_CONV_ONCE
#define EASEL_BACKEND_CPU_INT8_CONV_ONCE
namespace easel::cpu {

constexpr size_t kTapsPerSide = 3;

// The input as integers, with its padding, whose pixels have the scale 0 where it is of zeros.
struct Int8Image {
  const uint8_t* pixels;   // [n, h, w, weight.depth()]
  const Int8Row* scaling;  // [n, h, w]
  size_t h, w;             // with the padding
};

struct Int8ConvProblem {
  Int8Image x;
  const Int8Weight& weight;
  const float* bias;        // [c_out] or null
  const float* image_bias;  // [n, c_out] or null
  const float* residual;    // as out, or null
  float* out;               // [n, h, w, c_out]
  size_t h, w, c_out;
  size_t stride;
  Activation activation;
};

// Neighbouring pixels of a row of the result, in a panel of its channels.
struct Int8Pixels {
  size_t image, row, column, count;
  size_t channel, channels;
};

// The first pixel of `x` that this tap sees for the first of `pixels`.
inline size_t seen_by(const Int8ConvProblem& problem, const Int8Pixels& pixels, size_t tap) {
  const size_t row = pixels.row * problem.stride + tap / kTapsPerSide;
  const size_t column = pixels.column * problem.stride + tap % kTapsPerSide;
  return (pixels.image * problem.x.h + row) * problem.x.w + column;
}

}  // namespace easel::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

// sums [count, kInt8Width] (+)= what the products of a tap [count, kInt8Width] stand for, but for the weights' scales.
void AddTap(const Int8ConvProblem& problem, const Int8Pixels& pixels, size_t tap, const int32_t* products,
            float* sums) {
  const Int8Row* const scaling = problem.x.scaling + seen_by(problem, pixels, tap);
  const int32_t* const weight_sums = problem.weight.sums(0, tap) + pixels.channel;
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  for (size_t i = 0; i < pixels.count; ++i) {
    const Int8Row row = scaling[i * problem.stride];
    const auto scale = hn::Set(d, row.scale);
    const auto zero = hn::Set(di, row.zero);
    for (size_t j = 0; j < kInt8Width; j += lanes) {
      const size_t at = i * kInt8Width + j;
      const auto offset = hn::Mul(zero, hn::LoadU(di, weight_sums + j));
      const auto product = hn::ConvertTo(d, hn::Sub(hn::LoadU(di, products + at), offset));
      const auto before = tap == 0 ? hn::Zero(d) : hn::LoadU(d, sums + at);
      hn::StoreU(hn::MulAdd(product, scale, before), d, sums + at);
    }
  }
}

void FinishPixels(const Int8ConvProblem& problem, const Int8Pixels& pixels, const float* sums) {
  const float* const scales = problem.weight.scales(0) + pixels.channel;
  const float* const bias = problem.bias == nullptr ? nullptr : problem.bias + pixels.channel;
  const float* const image_bias =
      problem.image_bias == nullptr ? nullptr : problem.image_bias + pixels.image * problem.c_out + pixels.channel;
  for (size_t i = 0; i < pixels.count; ++i) {
    const size_t to =
        ((pixels.image * problem.h + pixels.row) * problem.w + pixels.column + i) * problem.c_out + pixels.channel;
    WithActivation(problem.activation, [&](auto f) {
      ForEachVector(pixels.channels, [&](auto d, size_t j) {
        auto y = hn::Mul(hn::LoadU(d, sums + i * kInt8Width + j), hn::LoadU(d, scales + j));
        if (bias != nullptr) y = hn::Add(y, hn::LoadU(d, bias + j));
        if (image_bias != nullptr) y = hn::Add(y, hn::LoadU(d, image_bias + j));
        y = f(d, y);
        if (problem.residual != nullptr) y = hn::Add(y, hn::LoadU(d, problem.residual + to + j));
        hn::StoreU(y, d, problem.out + to + j);
      });
    });
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {
namespace {

HWY_EXPORT(AddTap);
HWY_EXPORT(FinishPixels);

constexpr int64_t kMinChannels = 32;
constexpr size_t kItemsPerThread = 8;

// Rows [begin, end) of all images with their borders, one after the other.
void quantize_image_rows(const Tensor& x, const Padding& padding, size_t depth, int64_t begin, int64_t end,
                         uint8_t* pixels, Int8Row* scaling) {
  const int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3);
  const int64_t padded_h = padding.top + h + padding.bottom;
  const auto columns = static_cast<size_t>(w + 2);
  const bool circular = padding.mode == PaddingMode::circular;
  for (int64_t line = begin; line < end; ++line) {
    const int64_t row = line % padded_h - padding.top;
    uint8_t* const to = pixels + static_cast<size_t>(line) * columns * depth;
    Int8Row* const scale = scaling + static_cast<size_t>(line) * columns;
    if (!circular && (row < 0 || row >= h)) {
      std::fill_n(to, columns * depth, uint8_t{0});
      std::fill_n(scale, columns, Int8Row{});
      continue;
    }
    const float* const from = x.data().data() + (line / padded_h * h + (row + h) % h) * w * c;
    for (size_t column = 1; column + 1 < columns; ++column) {
      scale[column] =
          quantize_row(from + static_cast<int64_t>(column - 1) * c, static_cast<size_t>(c), depth, to + column * depth);
    }
    for (const auto& [edge, opposite] : {std::pair{size_t{0}, columns - 2}, std::pair{columns - 1, size_t{1}}}) {
      scale[edge] = circular ? scale[opposite] : Int8Row{};
      std::memcpy(to + edge * depth, to + opposite * depth, depth);
    }
  }
}

// Rows [begin, end) of all images of the result, one panel of its channels.
void compute_rows(const Int8ConvProblem& problem, Int8Kernel kernel, size_t panel, size_t begin, size_t end) {
  alignas(64) int32_t products[kInt8MaxRows * kInt8Width];
  alignas(64) float sums[kInt8MaxRows * kInt8Width];
  const size_t depth = problem.weight.depth();
  const size_t channel = panel * kInt8Width;
  for (size_t line = begin; line < end; ++line) {
    for (size_t column = 0; column < problem.w; column += kInt8MaxRows) {
      const Int8Pixels pixels{.image = line / problem.h,
                              .row = line % problem.h,
                              .column = column,
                              .count = std::min(kInt8MaxRows, problem.w - column),
                              .channel = channel,
                              .channels = std::min(kInt8Width, problem.c_out - channel)};
      for (size_t tap = 0; tap < kTapsPerSide * kTapsPerSide; ++tap) {
        kernel(pixels.count, problem.x.pixels + seen_by(problem, pixels, tap) * depth, problem.stride * depth,
               problem.weight.panel(0, panel, tap), depth, products);
        HWY_DYNAMIC_DISPATCH(AddTap)(problem, pixels, tap, products, sums);
      }
      HWY_DYNAMIC_DISPATCH(FinishPixels)(problem, pixels, sums);
    }
  }
}

void run(int threads, const Int8ConvProblem& problem, size_t lines) {
  const size_t panels = problem.weight.panels();
  const size_t wanted = (static_cast<size_t>(threads) * kItemsPerThread + panels - 1) / panels;
  const size_t chunks = std::min(wanted, lines);
  const Int8Kernel kernel = int8_kernel();
  parallel_items(threads, static_cast<int64_t>(panels * chunks), [&](int64_t item, int) {
    const size_t chunk = static_cast<size_t>(item) % chunks;
    compute_rows(problem, kernel, static_cast<size_t>(item) / chunks, lines * chunk / chunks,
                 lines * (chunk + 1) / chunks);
  });
}

const float* data_or_null(const std::optional<Tensor>& tensor) { return tensor ? tensor->data().data() : nullptr; }

}  // namespace

bool int8_conv_applies(const Tensor& x, const Parameter& weight, const Conv2dOptions& options) {
  const Padding& padding = options.padding;
  return weight.shape()[2] == 3 && weight.shape()[3] == 3 && padding.top <= 1 && padding.bottom <= 1 &&
         padding.left == 1 && padding.right == 1 && x.dim(3) >= kMinChannels && weight.shape()[0] >= kMinChannels;
}

void int8_conv2d(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                 const Conv2dOptions& options, Tensor& out) {
  std::optional<Tensor> biases;
  if (bias != nullptr) biases = plain_values(*bias, x.device());
  const auto packed = int8_weight(weight, 1, threads, x.device());
  const Padding& padding = options.padding;
  const int64_t h = padding.top + x.dim(1) + padding.bottom, w = x.dim(2) + 2;
  const auto depth = static_cast<int64_t>(packed->depth());
  Tensor pixels = Tensor::empty(x.device(), {x.dim(0), h, w, depth}, DType::u8);
  std::vector<Int8Row> scaling(static_cast<size_t>(x.dim(0) * h * w));
  parallel_for(threads, x.dim(0) * h, 1, [&](int64_t begin, int64_t end) {
    quantize_image_rows(x, padding, packed->depth(), begin, end, pixels.data<uint8_t>().data(), scaling.data());
  });
  const Int8ConvProblem problem{.x = {.pixels = pixels.data<uint8_t>().data(),
                                      .scaling = scaling.data(),
                                      .h = static_cast<size_t>(h),
                                      .w = static_cast<size_t>(w)},
                                .weight = *packed,
                                .bias = data_or_null(biases),
                                .image_bias = data_or_null(options.image_bias),
                                .residual = data_or_null(options.residual),
                                .out = out.data().data(),
                                .h = static_cast<size_t>(out.dim(1)),
                                .w = static_cast<size_t>(out.dim(2)),
                                .c_out = static_cast<size_t>(out.dim(3)),
                                .stride = static_cast<size_t>(options.stride),
                                .activation = options.activation};
  run(threads, problem, static_cast<size_t>(out.dim(0) * out.dim(1)));
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
