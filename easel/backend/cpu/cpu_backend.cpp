#include "easel/backend/cpu/cpu_backend.h"

#include <omp.h>

#include <cmath>
#include <cstring>

#include "easel/backend/convolution_shapes.h"
#include "easel/backend/cpu/attention.h"
#include "easel/backend/cpu/bf16.h"
#include "easel/backend/cpu/direct_conv.h"
#include "easel/backend/cpu/group_norm.h"
#include "easel/backend/cpu/int16_attention.h"
#include "easel/backend/cpu/int8_conv.h"
#include "easel/backend/cpu/int8_linear.h"
#include "easel/backend/cpu/int8_weight.h"
#include "easel/backend/cpu/kernels.h"
#include "easel/backend/cpu/linear.h"
#include "easel/backend/cpu/parallel.h"
#include "easel/backend/cpu/plain_weight.h"
#include "easel/backend/cpu/resampling.h"
#include "easel/backend/cpu/winograd.h"

namespace easel::cpu {
namespace {

constexpr int64_t kGrainFloats = 1 << 14;  // less work than this is not worth a second thread

// x [n, h, w, c] with its opposite edges around it: [n, top + h + bottom, left + w + right, c]
Tensor wrapped_around(int threads, const Tensor& x, const Padding& padding) {
  const int64_t h = x.dim(1);
  const int64_t w = x.dim(2);
  const int64_t c = x.dim(3);
  Tensor out = Tensor::empty(x.device(), padded_shape(x, padding));
  const int64_t rows = out.dim(1);
  const int64_t columns = out.dim(2);
  const float* const from = x.data().data();
  float* const to = out.data().data();
  const auto source = [](int64_t at, int64_t size) { return (at % size + size) % size; };
  parallel_for(threads, x.dim(0) * rows, kGrainFloats / (columns * c) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* const line = from + (row / rows * h + source(row % rows - padding.top, h)) * w * c;
      for (int64_t column = 0; column < columns; ++column) {
        std::memcpy(to + (row * columns + column) * c, line + source(column - padding.left, w) * c,
                    static_cast<size_t>(c) * sizeof(float));
      }
    }
  });
  return out;
}

}  // namespace

void CpuBackend::conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                        Tensor& out) {
  const bool is_bf16 = uses_bf16(reduced_, weight);
  if (int8_conv_applies(x, weight, options) && uses_int8(reduced_, weight)) {
    int8_conv2d(threads_, x, weight, bias, options, out);
  } else if (winograd_applies(x, weight, options) && !(is_bf16 && bf16_support().beats_winograd)) {
    winograd_conv2d(threads_, x, weight, bias, options, out);
    weight.finish_use();
  } else if (is_pointwise(weight, options) && !options.image_bias) {
    linear(x, weight, bias, {.activation = options.activation, .residual = options.residual}, out);
  } else {
    other_conv2d(x, weight, bias, options, out);
  }
}

void CpuBackend::other_conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias,
                              const Conv2dOptions& options, Tensor& out) {
  if (options.padding.mode == PaddingMode::circular) {
    Conv2dOptions unpadded = options;
    unpadded.padding = {};
    return other_conv2d(wrapped_around(threads_, x, options.padding), weight, bias, unpadded, out);
  }
  if (uses_bf16(reduced_, weight)) return bf16_conv2d(*bf16_, threads_, x, weight, bias, options, out);
  direct_conv2d(threads_, x, weight, bias, options, out);
  weight.finish_use();
}

void CpuBackend::linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
                        Tensor& out) {
  if (uses_int8(reduced_, weight)) return int8_linear(threads_, x, weight, bias, options, out);
  if (uses_bf16(reduced_, weight)) {
    omp_set_num_threads(threads_);
    return bf16_->matmul(x, weight, bias, options, out);
  }
  cpu::linear(threads_, x, weight, bias, options, out);
  weight.finish_use();
}

void CpuBackend::linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) {
  if (uses_int8(reduced_, weight)) return int8_linear_geglu(threads_, x, weight, bias, out);
  if (uses_bf16(reduced_, weight)) return bf16_linear_geglu(*bf16_, threads_, x, weight, bias, out);
  cpu::linear_geglu(threads_, x, weight, bias, out);
  weight.finish_use();
}

void CpuBackend::attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                           Tensor& out) {
  if (reduced_.allows && int16_attention_applies(q, k, options)) {
    int16_attention(threads_, q, k, v, options, out);
  } else {
    cpu::attention(threads_, q, k, v, options, out);
  }
}

void CpuBackend::group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups,
                            float epsilon, Activation activation, Tensor& out) {
  cpu::group_norm(threads_, x, plain_values(weight, x.device()), plain_values(bias, x.device()), groups, epsilon,
                  activation, out);
}

void CpuBackend::channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) {
  cpu::channel_sums(threads_, x, pivot.data().data(), before, sums);
}

void CpuBackend::group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                                   const Parameter& bias, int64_t groups, float epsilon, Tensor& out) {
  cpu::group_norm_scales({.sums = sums, .pivot = pivot.data().data(), .pixels = pixels},
                         plain_values(weight, sums.device()), plain_values(bias, sums.device()), groups, epsilon, out);
}

void CpuBackend::scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) {
  cpu::scale_shift(threads_, x, scales, activation, out);
}

void CpuBackend::layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon,
                            Tensor& out) {
  const int64_t width = x.dim(-1);
  const Tensor scale = plain_values(weight, x.device());
  const Tensor shift = plain_values(bias, x.device());
  const float* const from = x.data().data();
  float* const to = out.data().data();
  parallel_for(threads_, x.count() / width, kGrainFloats / width + 1, [&](int64_t begin, int64_t end) {
    layer_norm_rows(from + begin * width, scale.data().data(), shift.data().data(), epsilon,
                    static_cast<size_t>(end - begin), static_cast<size_t>(width), to + begin * width);
  });
}

void CpuBackend::embedding(const Tensor& ids, const Parameter& table, Tensor& out) {
  // Few rows are used, so they are unpacked one by one and the table is never packed.
  const int64_t width = table.shape().dim(1);
  const auto row_bytes = static_cast<size_t>(bytes_of(table.dtype(), width));
  const auto tokens = ids.data<int32_t>();
  for (size_t i = 0; i < tokens.size(); ++i) {
    convert_to_f32(table.dtype(), table.bytes().subspan(static_cast<size_t>(tokens[i]) * row_bytes, row_bytes),
                   out.data().subspan(i * static_cast<size_t>(width), static_cast<size_t>(width)));
  }
  table.finish_use();
}

void CpuBackend::activate(const Tensor& x, Activation activation, Tensor& out) {
  const float* const from = x.data().data();
  float* const to = out.data().data();
  parallel_for(threads_, x.count(), kGrainFloats, [&](int64_t begin, int64_t end) {
    cpu::activate(from + begin, activation, to + begin, static_cast<size_t>(end - begin));
  });
}

void CpuBackend::copy(const Tensor& x, Tensor& out) {
  const float* const from = x.data().data();
  float* const to = out.data().data();
  parallel_for(threads_, x.count(), kGrainFloats, [&](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin) * sizeof(float));
  });
}

void CpuBackend::upsample_nearest_2x(const Tensor& x, Tensor& out) {
  const int64_t w = x.dim(2);
  const int64_t c = x.dim(3);
  const float* const from = x.data().data();
  float* const to = out.data().data();
  const auto row_bytes = static_cast<size_t>(2 * w * c) * sizeof(float);
  parallel_for(threads_, x.dim(0) * x.dim(1), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* const first = to + row * 4 * w * c;
      for (int64_t column = 0; column < 2 * w; ++column) {
        std::memcpy(first + column * c, from + (row * w + column / 2) * c, static_cast<size_t>(c) * sizeof(float));
      }
      std::memcpy(first + 2 * w * c, first, row_bytes);
    }
  });
}

void CpuBackend::resize(const Tensor& x, const ResizeOptions& options, Tensor& out) {
  cpu::resize(threads_, x, options, out);
}

void CpuBackend::max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) {
  cpu::max_pool(threads_, x, options, out);
}

void CpuBackend::concat_channels(const Tensor& a, const Tensor& b, Tensor& out) {
  const int64_t c_a = a.dim(-1);
  const int64_t c_b = b.dim(-1);
  const float* const from_a = a.data().data();
  const float* const from_b = b.data().data();
  float* const to = out.data().data();
  parallel_for(threads_, a.count() / c_a, kGrainFloats / (c_a + c_b) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* const target = to + row * (c_a + c_b);
      std::memcpy(target, from_a + row * c_a, static_cast<size_t>(c_a) * sizeof(float));
      std::memcpy(target + c_a, from_b + row * c_b, static_cast<size_t>(c_b) * sizeof(float));
    }
  });
}

void CpuBackend::combine(std::span<const Term> terms, float constant, Tensor& out) {
  float* const to = out.data().data();
  parallel_for(threads_, out.count(), kGrainFloats, [&](int64_t begin, int64_t end) {
    cpu::combine(terms, constant, to, static_cast<size_t>(begin), static_cast<size_t>(end));
  });
}

void CpuBackend::multiply(const Tensor& a, const Tensor& b, Tensor& out) {
  cpu::multiply(a.data().data(), b.data().data(), out.data().data(), static_cast<size_t>(out.count()));
}

void CpuBackend::clamp(const Tensor& x, float low, float high, Tensor& out) {
  cpu::clamp(x.data().data(), low, high, out.data().data(), static_cast<size_t>(out.count()));
}

}  // namespace easel::cpu
