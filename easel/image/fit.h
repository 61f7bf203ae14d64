// Bringing an image to the size of a job, as AUTOMATIC1111's resize modes do.
#pragma once

#include "easel/image/image.h"
#include "easel/image/resize.h"

namespace easel {

enum class FitMode {
  stretch,  // the sides change independently
  crop,     // fill the size, cut off what is over at both ends
  pad,      // fit into the size, repeat the edge pixels around it
  keep,     // the same pixels from the top left corner; repeat the edge pixels behind them, cut off what is over
};

template <int kChannels>
Raster<kChannels> fit(const Raster<kChannels>& image, Size size, FitMode mode,
                      ResizeFilter filter = ResizeFilter::lanczos);

// Where `fit` puts the content of an image of `from` in the new one; with crop it reaches beyond the borders.
Rect fitted_rect(Size from, Size size, FitMode mode);

// The image on a canvas that is larger by these margins; the pixels around it repeat its edges (outpainting).
template <int kChannels>
Raster<kChannels> extend(const Raster<kChannels>& image, int64_t left_px, int64_t top_px, int64_t right_px,
                         int64_t bottom_px);

}  // namespace easel
