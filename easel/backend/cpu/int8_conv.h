// 3x3 convolutions of 8-bit integers, for --precision int8. Each pixel has a scale of its own, so that the sums over
// the channels of each of the nine taps are integers and those over the taps are not.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// A 3x3 window with one pixel of padding on each side (above and below it may be missing, as in a band of an image's
// rows), and channels enough.
bool int8_conv_applies(const Tensor& x, const Parameter& weight, const Conv2dOptions& options);

// As Backend::conv2d, with rounding errors of about a hundredth.
void int8_conv2d(int threads, const Tensor& x, const Parameter& weight, const Parameter* bias,
                 const Conv2dOptions& options, Tensor& out);

}  // namespace easel::cpu
