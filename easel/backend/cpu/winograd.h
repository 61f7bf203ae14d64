// 3x3 convolutions by minimal filtering: Winograd's F(4x4, 3x3) (Lavin & Gray 2015), a quarter of the products.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// True if `winograd_conv2d` can do it: 3x3, stride 1, padding 1 on all sides (above and below it may be missing, as in
// a band of an image's rows), and enough channels to gain by it.
bool winograd_applies(const Tensor& x, const Parameter& weight, const Conv2dOptions& options);

// What it holds beside x and the result.
struct WinogradMemory {
  int64_t points_floats;
  int64_t scratch_floats;
};
WinogradMemory winograd_memory(int threads, const Tensor& x, const Tensor& out);

// As Backend::conv2d. The result does not depend on the number of threads.
void winograd_conv2d(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                     const Conv2dOptions& options, Tensor& out);

}  // namespace easel::cpu
