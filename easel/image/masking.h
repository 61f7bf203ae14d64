// What inpainting does with pixels under a mask. 255 in a mask means: repaint.
#pragma once

#include <optional>

#include "easel/image/image.h"

namespace easel {

Mask inverted(Mask mask);

// The smallest rectangle around everything that is not 0; nothing if all is.
std::optional<Rect> selected_rect(const Mask& mask);

// `rect` with `padding_px` more on each side, as far as the image reaches.
Rect padded_rect(const Rect& rect, int64_t padding_px, Size image);

// `rect` grown along one axis to the aspect ratio of `target`, as far as the image reaches (A1111, "only masked").
Rect rect_of_aspect(const Rect& rect, Size target, Size image);

// `over` where the mask is 255, `under` where it is 0 (these pixels stay identical), a blend between. Sizes are equal.
Image composite(const Image& under, const Image& over, const Mask& mask);

// The masked pixels replaced by colours from around them, blurred ever less towards the border (A1111, fill mode
// "fill").
Image filled_from_surroundings(const Image& image, const Mask& mask);

}  // namespace easel
