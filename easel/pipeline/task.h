// The kinds of jobs, and the choices that some of them offer.
#pragma once

#include <cstdint>
#include <string_view>

namespace easel {

// What a job starts from.
enum class Task {
  txt2img,    // noise
  img2img,    // an image, noised as far as `strength` says
  inpaint,    // an image, of which a mask is drawn anew
  depth2img,  // an image, whose depth the network sees too (SD 2 depth)
};

// Whose reading of `strength`: the noise that is put on the initial image, and the steps that take it off again.
enum class StrengthMode {
  compvis,    // the last int(strength * steps) steps; 1 starts from pure noise
  a1111,      // at most 0.999; with samplers of k-diffusion one step more
  diffusers,  // the last int(strength * steps) steps, always noised to the level of the first of them
};

// What is under the mask when inpainting begins.
enum class MaskFill {
  original,
  blur,   // colours from around the mask
  noise,  // latent noise
  zero,   // an empty latent
};

// What enlarges the picture between the passes of the hires fix; any other name is that of an ESRGAN network, through
// which the decoded image goes.
inline constexpr std::string_view kLatentUpscaler = "latent";    // the latent, bilinear
inline constexpr std::string_view kLanczosUpscaler = "lanczos";  // the image, decoded, resized and encoded again
inline constexpr std::string_view kNearestUpscaler = "nearest";  // likewise

// By how much a canvas grows around an image (outpainting).
struct Margins {
  int64_t left_px = 0;
  int64_t top_px = 0;
  int64_t right_px = 0;
  int64_t bottom_px = 0;
  bool any() const { return left_px > 0 || top_px > 0 || right_px > 0 || bottom_px > 0; }
};

}  // namespace easel
