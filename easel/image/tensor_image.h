// Between pixels and the tensors of the networks. For pipeline/ only: programs see images.
#pragma once

#include <span>
#include <vector>

#include "easel/image/grey16.h"
#include "easel/image/image.h"
#include "easel/tensor/tensor.h"

namespace easel {

// 2 v / 255 - 1: images of one size -> [n, height_px, width_px, 3], values in [-1, 1]
Tensor tensor_from(std::span<const Image> images, const Device& device);
Tensor tensor_from(const Image& image, const Device& device);

// v / 255: -> [1, height_px, width_px, 1], values in [0, 1]
Tensor tensor_from(const Mask& mask, const Device& device);

// v / 65535: -> [1, height_px, width_px, 1], values in [0, 1]
Tensor tensor_from(const Grey16& grey, const Device& device);
// x [1, height_px, width_px, 1]: its smallest value becomes 0 and its largest 65535, rounded; all 0 if all are equal.
Grey16 grey16_from(const Tensor& x);

// trunc(255 clamp((x + 1) / 2, 0, 1)), as the original scripts do; NaN is black. x [n, height_px, width_px, 3]
std::vector<Image> images_from(const Tensor& x);

}  // namespace easel
