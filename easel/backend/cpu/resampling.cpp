#include "easel/backend/cpu/resampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "easel/backend/cpu/parallel.h"

namespace easel::cpu {
namespace {

constexpr size_t kMaxTaps = 4;

// The input rows (or columns) that one output row is made of.
struct Taps {
  std::array<int64_t, kMaxTaps> index;
  std::array<float, kMaxTaps> weight;
};

// Keys 1981 with a = -0.75, at the distances 1 + t, t, 1 - t and 2 - t.
std::array<float, kMaxTaps> cubic_weights(float t) {
  constexpr float a = -0.75f;
  const auto inner = [](float d) { return ((a + 2.0f) * d - (a + 3.0f)) * d * d + 1.0f; };        // d <= 1
  const auto outer = [](float d) { return ((a * d - 5.0f * a) * d + 8.0f * a) * d - 4.0f * a; };  // 1 < d < 2
  return {outer(1.0f + t), inner(t), inner(1.0f - t), outer(2.0f - t)};
}

// Where output `i` lies between the inputs, rounded to f32 as in the reference implementations.
float source_position(int64_t i, int64_t in, int64_t out, bool align_corners) {
  const auto at = static_cast<double>(i);
  if (align_corners) {
    return out == 1 ? 0.0f : static_cast<float>(at * static_cast<double>(in - 1) / static_cast<double>(out - 1));
  }
  return static_cast<float>((at + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
}

std::vector<Taps> make_taps(int64_t in, int64_t out, const ResizeOptions& options) {
  const bool cubic = options.interpolation == Interpolation::bicubic;
  std::vector<Taps> taps(static_cast<size_t>(out));
  for (int64_t i = 0; i < out; ++i) {
    const float position = source_position(i, in, out, options.align_corners);
    const float below = std::floor(position);
    const float t = position - below;
    Taps& made = taps[static_cast<size_t>(i)];
    made.weight = cubic ? cubic_weights(t) : std::array<float, kMaxTaps>{1.0f - t, t};
    const int64_t first = static_cast<int64_t>(below) - (cubic ? 1 : 0);
    for (size_t k = 0; k < kMaxTaps; ++k) {
      made.index[k] = std::clamp<int64_t>(first + static_cast<int64_t>(k), 0, in - 1);
    }
  }
  return taps;
}

// out[i] = sum over k of weight[k] * from[k][i]
void weighted_sum(const std::array<const float*, kMaxTaps>& from, const std::array<float, kMaxTaps>& weight, bool cubic,
                  int64_t count, float* out) {
  const auto [a, b, c, d] = from;
  if (cubic) {
    for (int64_t i = 0; i < count; ++i) {
      out[i] = weight[0] * a[i] + weight[1] * b[i] + (weight[2] * c[i] + weight[3] * d[i]);
    }
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = weight[0] * a[i] + weight[1] * b[i];
  }
}

// Windows [begin, end) of an axis, cut to the image.
struct Range {
  int64_t begin, end;
};
Range window(int64_t i, int64_t in, int64_t pad_before, const PoolOptions& options) {
  const int64_t first = i * options.stride - pad_before;
  return {std::max<int64_t>(first, 0), std::min(first + options.kernel, in)};
}

}  // namespace

void resize(int threads, const Tensor& x, const ResizeOptions& options, Tensor& out) {
  const int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3);
  const int64_t rows = out.dim(1), columns = out.dim(2);
  const bool cubic = options.interpolation == Interpolation::bicubic;
  const std::vector<Taps> row_taps = make_taps(h, rows, options);
  const std::vector<Taps> column_taps = make_taps(w, columns, options);
  const float* const from = x.data().data();
  float* const to = out.data().data();
  parallel_for(threads, x.dim(0) * rows, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> between(static_cast<size_t>(w * c));  // a row of the output before its width changes
    std::array<const float*, kMaxTaps> sources{};
    for (int64_t row = begin; row < end; ++row) {
      const Taps& vertical = row_taps[static_cast<size_t>(row % rows)];
      for (size_t k = 0; k < kMaxTaps; ++k) sources[k] = from + (row / rows * h + vertical.index[k]) * w * c;
      weighted_sum(sources, vertical.weight, cubic, w * c, between.data());
      for (int64_t column = 0; column < columns; ++column) {
        const Taps& horizontal = column_taps[static_cast<size_t>(column)];
        for (size_t k = 0; k < kMaxTaps; ++k) sources[k] = between.data() + horizontal.index[k] * c;
        weighted_sum(sources, horizontal.weight, cubic, c, to + (row * columns + column) * c);
      }
    }
  });
}

void max_pool(int threads, const Tensor& x, const PoolOptions& options, Tensor& out) {
  const int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3);
  const int64_t rows = out.dim(1), columns = out.dim(2);
  const float* const from = x.data().data();
  float* const to = out.data().data();
  parallel_for(threads, x.dim(0) * rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Range vertical = window(row % rows, h, options.padding.top, options);
      for (int64_t column = 0; column < columns; ++column) {
        const Range horizontal = window(column, w, options.padding.left, options);
        float* const largest = to + (row * columns + column) * c;
        std::fill_n(largest, c, -std::numeric_limits<float>::infinity());
        for (int64_t y = vertical.begin; y < vertical.end; ++y) {
          for (int64_t z = horizontal.begin; z < horizontal.end; ++z) {
            const float* const pixel = from + ((row / rows * h + y) * w + z) * c;
            for (int64_t k = 0; k < c; ++k) largest[k] = pixel[k] <= largest[k] ? largest[k] : pixel[k];
          }
        }
      }
    }
  });
}

}  // namespace easel::cpu
