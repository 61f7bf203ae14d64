#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "easel/backend/cpu/int8_linear.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include "easel/backend/cpu/int8_dot.h"
#include "easel/backend/cpu/int8_linear.h"
#include "easel/backend/cpu/int8_weight.h"
#include "easel/backend/cpu/parallel.h"
#include "easel/backend/cpu/plain_weight.h"
// Per-target code.
#include "easel/backend/cpu/simd_math-inl.h"

#ifndef EASEL_BACKEND_CPU_INT8_LINEAR_ONCE
#define EASEL_BACKEND_CPU_INT8_LINEAR_ONCE
namespace easel::cpu {

struct Int8LinearProblem {
  const uint8_t* x;        // [rows, weight.depth()]
  const Int8Row* scaling;  // [rows]
  const Int8Weight& weight;
  const float* bias;      // or null
  const float* residual;  // [rows, d_out] or null
  float* out;             // [rows, d_out]
  size_t rows, d_out;
  Activation activation;
  bool geglu;
};

// Rows of the result that are finished together, in a panel of its columns.
struct Int8Tile {
  size_t row, rows;
  size_t column, columns;
};

}  // namespace easel::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace easel::cpu::HWY_NAMESPACE {

// x W^T + bias of column `column` + j of one part, from the integers' sum.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Dequantized(D d, const Int8LinearProblem& problem, size_t part, const Int8Row& row, const int32_t* sums,
                         size_t column) {
  const hn::RebindToSigned<D> di;
  const auto offset = hn::Mul(hn::Set(di, row.zero), hn::LoadU(di, problem.weight.sums(part) + column));
  const V product = hn::ConvertTo(d, hn::Sub(hn::LoadU(di, sums), offset));
  const V scale = hn::Mul(hn::Set(d, row.scale), hn::LoadU(d, problem.weight.scales(part) + column));
  if (problem.bias == nullptr) return hn::Mul(product, scale);
  return hn::MulAdd(product, scale, hn::LoadU(d, problem.bias + part * problem.d_out + column));
}

// products: for each part [rows, kInt8Width]
void FinishInt8(const Int8LinearProblem& problem, const Int8Tile& tile, const int32_t* products,
                const int32_t* gate_products) {
  for (size_t i = 0; i < tile.rows; ++i) {
    const Int8Row row = problem.scaling[tile.row + i];
    const size_t to = (tile.row + i) * problem.d_out + tile.column;
    if (problem.geglu) {
      ForEachVector(tile.columns, [&](auto d, size_t j) {
        const auto a = Dequantized(d, problem, 0, row, products + i * kInt8Width + j, tile.column + j);
        const auto gate = Dequantized(d, problem, 1, row, gate_products + i * kInt8Width + j, tile.column + j);
        hn::StoreU(hn::Mul(a, Gelu(d, gate)), d, problem.out + to + j);
      });
      continue;
    }
    WithActivation(problem.activation, [&](auto f) {
      ForEachVector(tile.columns, [&](auto d, size_t j) {
        auto y = f(d, Dequantized(d, problem, 0, row, products + i * kInt8Width + j, tile.column + j));
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

HWY_EXPORT(FinishInt8);

constexpr size_t kPackedBytes = 512 * 1024;  // of weight panels: they stay in the L2 cache
constexpr size_t kMinRows = 4 * kInt8MaxRows;
constexpr size_t kItemsPerThread = 8;
constexpr int64_t kGrainFloats = 1 << 14;

// The rows of x as integers.
struct QuantizedRows {
  Tensor integers;  // [rows, padded depth] u8
  std::vector<Int8Row> scaling;
};

QuantizedRows quantize_rows(int threads, const Tensor& x, size_t padded) {
  const int64_t depth = x.dim(-1);
  const int64_t rows = x.count() / depth;
  QuantizedRows out{.integers = Tensor::empty(x.device(), {rows, static_cast<int64_t>(padded)}, DType::u8),
                    .scaling = std::vector<Int8Row>(static_cast<size_t>(rows))};
  const float* const from = x.data().data();
  uint8_t* const to = out.integers.data<uint8_t>().data();
  parallel_for(threads, rows, kGrainFloats / depth + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      out.scaling[static_cast<size_t>(row)] =
          quantize_row(from + row * depth, static_cast<size_t>(depth), padded, to + row * static_cast<int64_t>(padded));
    }
  });
  return out;
}

// Panels [first, last) of the columns, rows [begin, end).
void compute_part(const Int8LinearProblem& problem, Int8Kernel kernel, size_t first, size_t last, size_t begin,
                  size_t end) {
  alignas(64) int32_t products[2][kInt8MaxRows * kInt8Width];
  const size_t depth = problem.weight.depth();
  for (size_t row = begin; row < end; row += kInt8MaxRows) {
    const size_t rows = std::min(kInt8MaxRows, end - row);
    const uint8_t* const x = problem.x + row * depth;
    for (size_t panel = first; panel < last; ++panel) {
      kernel(rows, x, depth, problem.weight.panel(0, panel), depth, products[0]);
      if (problem.geglu) kernel(rows, x, depth, problem.weight.panel(1, panel), depth, products[1]);
      const size_t column = panel * kInt8Width;
      const Int8Tile tile{
          .row = row, .rows = rows, .column = column, .columns = std::min(kInt8Width, problem.d_out - column)};
      HWY_DYNAMIC_DISPATCH(FinishInt8)(problem, tile, products[0], products[1]);
    }
  }
}

void run(int threads, const Int8LinearProblem& problem) {
  const size_t panel_bytes = problem.weight.depth() * kInt8Width * (problem.geglu ? 2 : 1);
  const size_t panels = problem.weight.panels();
  const size_t together = std::clamp<size_t>(kPackedBytes / panel_bytes, 1, panels);
  const size_t groups = (panels + together - 1) / together;
  const size_t wanted = (static_cast<size_t>(threads) * kItemsPerThread + groups - 1) / groups;
  const size_t chunk = padded_to(std::max((problem.rows + wanted - 1) / wanted, kMinRows), kInt8MaxRows);
  const size_t chunks = (problem.rows + chunk - 1) / chunk;
  const Int8Kernel kernel = int8_kernel();
  parallel_items(threads, static_cast<int64_t>(groups * chunks), [&](int64_t item, int) {
    const size_t group = static_cast<size_t>(item) / chunks;
    const size_t row = static_cast<size_t>(item) % chunks * chunk;
    compute_part(problem, kernel, panels * group / groups, panels * (group + 1) / groups, row,
                 std::min(row + chunk, problem.rows));
  });
}

}  // namespace

void int8_linear(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                 const LinearOptions& options, Tensor& out) {
  std::optional<Tensor> biases;
  if (bias != nullptr) biases = plain_values(*bias, x.device());
  const auto packed = int8_weight(weight, 1, threads, x.device());
  const QuantizedRows rows = quantize_rows(threads, x, packed->depth());
  run(threads, {.x = rows.integers.data<uint8_t>().data(),
                .scaling = rows.scaling.data(),
                .weight = *packed,
                .bias = biases ? biases->data().data() : nullptr,
                .residual = options.residual ? options.residual->data().data() : nullptr,
                .out = out.data().data(),
                .rows = rows.scaling.size(),
                .d_out = packed->part_channels(),
                .activation = options.activation,
                .geglu = false});
}

void int8_linear_geglu(int threads, const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) {
  const Tensor biases = plain_values(bias, x.device());
  const auto packed = int8_weight(weight, 2, threads, x.device());
  const QuantizedRows rows = quantize_rows(threads, x, packed->depth());
  run(threads, {.x = rows.integers.data<uint8_t>().data(),
                .scaling = rows.scaling.data(),
                .weight = *packed,
                .bias = biases.data().data(),
                .residual = nullptr,
                .out = out.data().data(),
                .rows = rows.scaling.size(),
                .d_out = packed->part_channels(),
                .activation = Activation::none,
                .geglu = true});
}

}  // namespace easel::cpu
#endif  // HWY_ONCE
