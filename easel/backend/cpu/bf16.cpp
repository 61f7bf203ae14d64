#include "easel/backend/cpu/bf16.h"

#include <omp.h>

#include <algorithm>

#include "easel/backend/cpu/kernels.h"
#include "easel/backend/cpu/parallel.h"

namespace easel::cpu {
namespace {

constexpr int64_t kRowsAtOnce = 1024;      // of products that wait for their gates
constexpr int64_t kGrainFloats = 1 << 14;  // less work than this is not worth a second thread

int64_t rows_of(const Tensor& x) { return x.count() / x.dim(-1); }

}  // namespace

bool uses_bf16(const ReducedProducts& reduced, const Parameter& weight) {
  return reduced.numbers == ReducedNumbers::bf16 && reduced.apply_to(weight.name()) &&
         bf16_support().unusable_because.empty();
}

void bf16_linear_geglu(Bf16Products& products, int threads, const Tensor& x, const Parameter& weight,
                       const Parameter& bias, Tensor& out) {
  omp_set_num_threads(threads);
  const int64_t rows = rows_of(x);
  const int64_t width = out.dim(-1);
  const Tensor x_rows = x.reshape({rows, x.dim(-1)});
  Tensor waiting = Tensor::empty(x.device(), {bf16_geglu_floats(x, weight) / (2 * width), 2 * width});
  for (int64_t row = 0; row < rows; row += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, rows - row);
    Tensor part = waiting.slice(0, count);
    products.matmul(x_rows.slice(row, row + count), weight, &bias, {}, part);
    const float* const from = part.data().data();
    float* const to = out.data().data() + row * width;
    parallel_for(threads, count, 1, [&](int64_t begin, int64_t end) {
      geglu(from + begin * 2 * width, to + begin * width, static_cast<size_t>(end - begin), static_cast<size_t>(width));
    });
  }
}

void bf16_conv2d(Bf16Products& products, int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                 const Conv2dOptions& options, Tensor& out) {
  omp_set_num_threads(threads);
  if (!options.image_bias) return products.convolution(x, weight, bias, options, out);
  // The bias per image is added afterwards, and with it what must come later.
  Conv2dOptions plain = options;
  plain.image_bias.reset();
  plain.residual.reset();
  plain.activation = Activation::none;
  products.convolution(x, weight, bias, plain, out);
  const int64_t c = out.dim(3);
  const int64_t pixels = out.dim(1) * out.dim(2);
  float* const data = out.data().data();
  const float* const image_bias = options.image_bias->data().data();
  const float* const residual = options.residual ? options.residual->data().data() : nullptr;
  for (int64_t image = 0; image < out.dim(0); ++image) {
    parallel_for(threads, pixels, kGrainFloats / c + 1, [&](int64_t begin, int64_t end) {
      const int64_t offset = (image * pixels + begin) * c;
      const auto count = static_cast<size_t>((end - begin) * c);
      add_row(image_bias + image * c, data + offset, static_cast<size_t>(end - begin), static_cast<size_t>(c));
      if (residual != nullptr) {
        activate_add(data + offset, options.activation, residual + offset, data + offset, count);
      } else if (options.activation != Activation::none) {
        activate(data + offset, options.activation, data + offset, count);
      }
    });
  }
}

int64_t bf16_geglu_floats(const Tensor& x, const Parameter& weight) {
  return std::min(kRowsAtOnce, rows_of(x)) * weight.shape().dim(0);
}

int64_t bf16_floats(const Tensor& x) { return (x.count() + 1) / 2; }

}  // namespace easel::cpu
