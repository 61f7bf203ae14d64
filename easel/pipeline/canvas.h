// Canvas: the image that a job starts from, brought to the size of the networks, and the way back. Private to
// easel/pipeline.
#pragma once

#include <optional>

#include "easel/pipeline/request.h"

namespace easel {

class Canvas {
 public:
  // request: has an init_image. Throws Error invalid_request if the size does not do, or if nothing is masked.
  explicit Canvas(const Request& request);

  // What the networks see; the sides are multiples of kSizeMultiplePx.
  const Image& image() const { return image_; }
  // 255: draw anew; of the same size, soft where it was blurred. Nothing outside inpainting.
  const std::optional<Mask>& mask() const { return mask_; }

  // The finished picture: `drawn`, of the size of image(), in its place on the original.
  Image finish(const Image& drawn) const;

 private:
  void grow(const Request& request);
  Size size_for(const Request& request) const;
  void choose_part(const Request& request, Size size);

  Image original_;                       // with margins, before resizing
  std::optional<Mask> original_mask_;    // of that size, blurred
  Rect part_;                            // of the original: what the networks see
  FitMode fit_mode_ = FitMode::stretch;  // how it gets to their size
  bool keeps_original_size_ = false;
  bool composite_ = false;
  Image image_;
  std::optional<Mask> mask_;
};

// Where a request names no size and starts from an image: that image's, with margins, in multiples of kSizeMultiplePx;
// rounded up for inpainting, which keeps every pixel, and down otherwise.
Size canvas_size(const Request& request);

}  // namespace easel
