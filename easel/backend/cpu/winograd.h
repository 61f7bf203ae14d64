// 3x3 convolutions by minimal filtering: Winograd's F(4x4, 3x3) (Lavin & Gray 2015), a quarter of the products.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// True if `winograd_conv2d` can do it: 3x3, stride 1, padding 1 on all sides, and enough channels to gain by it.
bool winograd_applies(const Tensor& x, const Parameter& weight, const Conv2dOptions& options);

// As Backend::conv2d. The result does not depend on the number of threads.
void winograd_conv2d(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                     const Conv2dOptions& options, Tensor& out);

}  // namespace easel::cpu
