// Group normalisation with activation (Wu & He 2018).
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::group_norm, weight and bias [c] as plain values. The result does not depend on the number of threads.
void group_norm(int threads, const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t groups, float epsilon,
                Activation activation, Tensor& out);

// The same in three parts, for images that come in bands: as Backend::channel_sums, group_norm_scales and scale_shift.
struct ImageSums {
  const Tensor& sums;  // [2, c] f64: of x - pivot and of its square
  const float* pivot;  // [c]
  int64_t pixels;
};
void channel_sums(int threads, const Tensor& x, const float* pivot, const Tensor* before, Tensor& sums);
void group_norm_scales(const ImageSums& image, const Tensor& weight, const Tensor& bias, int64_t groups, float epsilon,
                       Tensor& out);
void scale_shift(int threads, const Tensor& x, const Tensor& scales, Activation activation, Tensor& out);

}  // namespace easel::cpu
