// Options of the backend's operations that are plain values: no tensors, so that device code can include them.
#pragma once

#include <cstdint>

namespace easel {

// gelu: exact (erf); quick_gelu: x * sigmoid(1.702 x); leaky_relu: 0.2 x below 0
enum class Activation { none, silu, gelu, quick_gelu, relu, leaky_relu };
inline constexpr float kLeakySlope = 0.2f;

// What lies beyond the edges of an image.
enum class PaddingMode {
  zeros,
  circular,  // the image again: a result that can be laid side by side without a seam
};

struct Padding {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  PaddingMode mode = PaddingMode::zeros;
};

struct AttentionOptions {
  int64_t heads = 1;
  bool causal = false;  // token i sees tokens 0..i
};

enum class Interpolation { bilinear, bicubic };  // bicubic: Keys 1981 with a = -0.75

struct ResizeOptions {
  Interpolation interpolation = Interpolation::bilinear;
  bool align_corners = false;  // the centres of the corner pixels stay in place; otherwise the images' outer edges do
};

struct PoolOptions {
  int64_t kernel = 2;
  int64_t stride = 2;
  Padding padding;  // of no influence on a maximum
};

}  // namespace easel
