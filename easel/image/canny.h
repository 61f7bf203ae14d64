// Edges of a picture (Canny 1986), as ControlNets for edges were trained with.
#pragma once

#include "easel/image/image.h"

namespace easel {

struct CannyThresholds {
  int64_t low = 100;   // edges go on where the slope is steeper than this
  int64_t high = 200;  // and begin where it is steeper than this
};
inline constexpr int64_t kMaxSlope = 2 * 4 * 255;  // |dx| + |dy| of the Sobel operator

// 255 on edges, a pixel wide. The slope of a pixel is that of its steepest channel, |dx| + |dy| by the 3x3 Sobel
// operator; the same pixels as OpenCV's Canny() with these thresholds finds.
Mask canny(const Image& image, const CannyThresholds& thresholds = {});

}  // namespace easel
