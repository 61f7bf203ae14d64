#include "easel/backend/cpu/bf16.h"

#include <algorithm>
#include <dnnl.hpp>

#include "easel/backend/cpu/kernels.h"
#include "easel/backend/cpu/parallel.h"

namespace easel::cpu {
namespace {

constexpr int64_t kRowsAtOnce = 1024;  // of products that wait for their gates

// Instruction sets are sets of bits.
bool has(dnnl::cpu_isa wanted) {
  const auto bits = static_cast<unsigned>(wanted);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

int64_t rows_of(const Tensor& x) { return x.count() / x.dim(-1); }

}  // namespace

bool bf16_works() { return has(dnnl::cpu_isa::avx512_core); }
bool bf16_is_fast() { return has(dnnl::cpu_isa::avx512_core_bf16); }
bool bf16_beats_winograd() { return has(dnnl::cpu_isa::avx512_core_amx); }

bool uses_bf16(const ReducedProducts& reduced, const Parameter& weight) {
  return reduced.numbers == ReducedNumbers::bf16 && reduced.apply_to(weight.name()) && bf16_works();
}

void bf16_linear_geglu(OneDnn& onednn, int threads, const Tensor& x, const Parameter& weight, const Parameter& bias,
                       Tensor& out) {
  const int64_t rows = rows_of(x);
  const int64_t width = out.dim(-1);
  const Tensor x_rows = x.reshape({rows, x.dim(-1)});
  Tensor products = Tensor::empty(x.device(), {bf16_geglu_floats(x, weight) / (2 * width), 2 * width});
  for (int64_t row = 0; row < rows; row += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, rows - row);
    Tensor part = products.slice(0, count);
    onednn.matmul(x_rows.slice(row, row + count), weight, &bias, {}, part);
    const float* const from = part.data().data();
    float* const to = out.data().data() + row * width;
    parallel_for(threads, count, 1, [&](int64_t begin, int64_t end) {
      geglu(from + begin * 2 * width, to + begin * width, static_cast<size_t>(end - begin), static_cast<size_t>(width));
    });
  }
}

int64_t bf16_geglu_floats(const Tensor& x, const Parameter& weight) {
  return std::min(kRowsAtOnce, rows_of(x)) * weight.shape().dim(0);
}

int64_t bf16_floats(const Tensor& x) { return (x.count() + 1) / 2; }

}  // namespace easel::cpu
