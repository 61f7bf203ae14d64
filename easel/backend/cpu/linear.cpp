#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/linear.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "easel/backend/cpu/linear.h"
#include "easel/backend/cpu/parallel.h"
#include "easel/backend/cpu/plain_weight.h"
#include "easel/backend/cpu/weight_rows.h"
// Per-target code.
#include "easel/backend/cpu/gemm-inl.h"
#include "easel/backend/cpu/pack-inl.h"
#include "easel/backend/cpu/simd_math-inl.h"

#ifndef EASEL_BACKEND_CPU_LINEAR_ONCE
#define EASEL_BACKEND_CPU_LINEAR_ONCE
namespace easel::cpu {

// out = activation(x W^T + bias) + residual, or with `geglu` out = a * gelu(g) for [a, g] = x W^T + bias.
struct LinearProblem {
  const float* x;  // [rows, depth]
  WeightRows weight;
  const float* bias;      // or null
  const float* residual;  // [rows, d_out] or null
  float* out;             // [rows, d_out]
  size_t rows, depth, d_out;
  Activation activation;
  bool geglu;
};

// A part of the result: columns of whole panels, and rows.
struct LinearPart {
  size_t first_column, columns;
  size_t first_row, rows;
};

constexpr size_t kDepthBlock = 256;          // of x's rows: 12 of them stay in the L1 cache
constexpr size_t kPackedBytes = 832 * 1024;  // of weight panels: they stay in the L2 cache
constexpr size_t kMaxPanels = 5;

}  // namespace easel::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

size_t LinearPanelWidth() { return PanelWidth(); }

// Rows [0, rows) of the finished products `tile` [rows, stride] -> the result's rows from `row` on.
HWY_INLINE void FinishTile(const LinearProblem& problem, const LinearPart& part, size_t row, size_t rows,
                           const float* tile, size_t stride, size_t gate_offset) {
  for (size_t i = 0; i < rows; ++i) {
    const float* const sums = tile + i * stride;
    const size_t to = (row + i) * problem.d_out + part.first_column;
    if (problem.geglu) {
      const float* const bias = problem.bias + part.first_column;
      ForEachVector(part.columns, [&](auto d, size_t j) {
        const auto a = hn::Add(hn::LoadU(d, sums + j), hn::LoadU(d, bias + j));
        const auto gate = hn::Add(hn::LoadU(d, sums + gate_offset + j), hn::LoadU(d, bias + problem.d_out + j));
        hn::StoreU(hn::Mul(a, Gelu(d, gate)), d, problem.out + to + j);
      });
      continue;
    }
    WithActivation(problem.activation, [&](auto f) {
      ForEachVector(part.columns, [&](auto d, size_t j) {
        auto y = hn::LoadU(d, sums + j);
        if (problem.bias != nullptr) y = hn::Add(y, hn::LoadU(d, problem.bias + part.first_column + j));
        y = f(d, y);
        if (problem.residual != nullptr) y = hn::Add(y, hn::LoadU(d, problem.residual + to + j));
        hn::StoreU(y, d, problem.out + to + j);
      });
    });
  }
}

// `scratch` holds (geglu ? 2 : 1) * panels * width * (depth + RowsPerBlock()) floats.
void ComputePart(const LinearProblem& problem, const LinearPart& part, float* scratch) {
  const size_t width = PanelWidth();
  const size_t panels = (part.columns + width - 1) / width;
  const size_t halves = problem.geglu ? 2 : 1;
  float* const tile = scratch + halves * panels * width * problem.depth;
  const size_t stride = halves * panels * width;
  for (size_t half = 0; half < halves; ++half) {
    for (size_t panel = 0; panel < panels; ++panel) {
      PackPanel(problem.weight, half * problem.d_out + part.first_column + panel * width,
                std::min(width, part.columns - panel * width), 0, problem.depth,
                scratch + (half * panels + panel) * width * problem.depth);
    }
  }
  for (size_t row = part.first_row; row < part.first_row + part.rows; row += RowsPerBlock()) {
    const size_t rows = std::min(RowsPerBlock(), part.first_row + part.rows - row);
    for (size_t k = 0; k < problem.depth; k += kDepthBlock) {
      const size_t depth = std::min(kDepthBlock, problem.depth - k);
      const float* const next =
          problem.x + (k + depth < problem.depth ? row * problem.depth + k + depth : (row + rows) * problem.depth);
      for (size_t i = 0; i < rows; ++i) PrefetchFloats(next + i * problem.depth, depth);
      for (size_t panel = 0; panel < halves * panels; ++panel) {
        GemmPanel(rows, problem.x + row * problem.depth + k, problem.depth,
                  scratch + panel * width * problem.depth + k * width, width, tile + panel * width, stride, depth,
                  k > 0);
      }
    }
    FinishTile(problem, part, row, rows, tile, stride, panels * width);
  }
}

}  // namespace easel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace easel::cpu {
namespace {

HWY_EXPORT(LinearPanelWidth);
HWY_EXPORT(ComputePart);

constexpr size_t kMinRows = 256;  // fewer are not worth packing the panels once more

// How the columns of a result are divided into groups of panels.
struct PanelGroups {
  size_t width, panels, groups, scratch_floats;

  PanelGroups(int threads, size_t depth, size_t d_out, bool geglu) : width(HWY_DYNAMIC_DISPATCH(LinearPanelWidth)()) {
    const size_t halves = geglu ? 2 : 1;
    const size_t all_panels = (d_out + width - 1) / width;
    const auto fair = (all_panels + static_cast<size_t>(threads) - 1) / static_cast<size_t>(threads);
    const size_t fitting = std::max<size_t>(1, kPackedBytes / (halves * width * depth * sizeof(float)));
    panels = std::min({fitting, kMaxPanels, fair});
    groups = (all_panels + panels - 1) / panels;
    scratch_floats = halves * panels * width * (depth + 16);
  }
};

void run(int threads, const LinearProblem& problem, const Device& device) {
  const PanelGroups plan(threads, problem.depth, problem.d_out, problem.geglu);
  const size_t width = plan.width, panels = plan.panels, groups = plan.groups, scratch_floats = plan.scratch_floats;
  // With fewer groups than threads the rows are split too.
  const size_t wanted = groups >= static_cast<size_t>(threads) ? 1 : static_cast<size_t>(threads) / groups;
  const size_t chunks = std::clamp<size_t>(problem.rows / kMinRows, 1, wanted);
  Tensor scratch = Tensor::empty(device, {threads, static_cast<int64_t>(scratch_floats)});
  float* const scratch_data = scratch.data().data();
  parallel_items(threads, static_cast<int64_t>(groups * chunks), [&](int64_t item, int thread) {
    const size_t group = static_cast<size_t>(item) / chunks;
    const size_t chunk = static_cast<size_t>(item) % chunks;
    const size_t first_column = group * panels * width;
    const size_t first_row = problem.rows * chunk / chunks;
    const LinearPart part{.first_column = first_column,
                          .columns = std::min(panels * width, problem.d_out - first_column),
                          .first_row = first_row,
                          .rows = problem.rows * (chunk + 1) / chunks - first_row};
    HWY_DYNAMIC_DISPATCH(ComputePart)
    (problem, part, scratch_data + static_cast<size_t>(thread) * scratch_floats);
  });
}

}  // namespace

int64_t linear_scratch_floats(int threads, const Tensor& x, int64_t d_out, bool geglu) {
  const PanelGroups groups(threads, static_cast<size_t>(x.dim(-1)), static_cast<size_t>(d_out), geglu);
  return threads * static_cast<int64_t>(groups.scratch_floats);
}

void linear(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
            Tensor& out) {
  std::optional<Tensor> unpacked_weight;
  std::optional<Tensor> biases;
  if (bias != nullptr) biases = plain_values(*bias, x.device());
  const auto depth = static_cast<size_t>(x.dim(-1));
  run(threads,
      {.x = x.data().data(),
       .weight = weight_rows(weight, x.device(), unpacked_weight),
       .bias = biases ? biases->data().data() : nullptr,
       .residual = options.residual ? options.residual->data().data() : nullptr,
       .out = out.data().data(),
       .rows = static_cast<size_t>(x.count()) / depth,
       .depth = depth,
       .d_out = static_cast<size_t>(weight.shape()[0]),
       .activation = options.activation,
       .geglu = false},
      x.device());
}

void linear_geglu(int threads, const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) {
  std::optional<Tensor> unpacked_weight;
  const Tensor biases = plain_values(bias, x.device());
  const auto depth = static_cast<size_t>(x.dim(-1));
  run(threads,
      {.x = x.data().data(),
       .weight = weight_rows(weight, x.device(), unpacked_weight),
       .bias = biases.data().data(),
       .residual = nullptr,
       .out = out.data().data(),
       .rows = static_cast<size_t>(x.count()) / depth,
       .depth = depth,
       .d_out = static_cast<size_t>(weight.shape()[0] / 2),
       .activation = Activation::none,
       .geglu = true},
      x.device());
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
