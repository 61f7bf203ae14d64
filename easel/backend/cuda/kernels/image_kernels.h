// Kernels of images, as in kernels.h: x and out of one type, channels-last.
#pragma once

#include "easel/backend/cuda/kernels/kernels.h"

namespace easel::cuda {

struct ImageShape {
  int64_t n, h, w, c;
};

// out [n, 2 h, 2 w, c]
void upsample_nearest_2x(Source x, const ImageShape& shape, Target out, Stream stream);

// As Backend::resize; out [n, out_h, out_w, c].
void resize(Source x, const ImageShape& shape, int64_t out_h, int64_t out_w, const ResizeOptions& options, Target out,
            Stream stream);

// As Backend::max_pool; out [n, out_h, out_w, c].
void max_pool(Source x, const ImageShape& shape, int64_t out_h, int64_t out_w, const PoolOptions& options, Target out,
              Stream stream);

// out [rows, c_a + c_b] = a [rows, c_a] beside b [rows, c_b]
void concat_channels(Source a, int64_t c_a, Source b, int64_t c_b, int64_t rows, Target out, Stream stream);

// out [n, top + h + bottom, left + w + right, c] = x among zeros, or among copies of itself. A padding may be larger
// than the image; none is negative.
void pad(Source x, const ImageShape& shape, const Padding& padding, Target out, Stream stream);

// out [rows, c_out] = x [rows, c] beside zeros (c_out > c), or its first channels (c_out < c).
void set_channels(Source x, int64_t rows, int64_t c, int64_t c_out, Target out, Stream stream);

}  // namespace easel::cuda
