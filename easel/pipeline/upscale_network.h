// The UNet of the x4 upscaler as a network for latents of any size. Private to easel/pipeline.
#pragma once

#include <functional>

#include "easel/sampling/denoiser.h"
#include "easel/unet/unet.h"
#include "easel/upscale/tiles.h"

namespace easel {

// The picture with noise of its level, as the upscaler sees it beside the latent: sqrt(alpha_cumprod) x +
// sqrt(1 - alpha_cumprod) noise, with a schedule of its own. x and noise [1, h, w, 3] -> same
Tensor noised_picture(const Tensor& x, const Tensor& noise, int64_t noise_level);

struct UpscaleNetworkOptions {
  Tensor context;         // [1, t, context_width], or [2, ...] of [unconditional, conditional] if guided
  Tensor noised_picture;  // [1, h, w, 3]
  int32_t noise_level;
  double guidance_scale;
  TileGrid grid;                              // of h x w
  int64_t rows_at_once = 0;                   // 1: the halves of guidance one after the other; 0: together
  BlockObserver observe = {};                 // of the UNet
  std::function<void(int64_t)> on_tile = {};  // told how many tiles of a prediction are finished, but for the last
};

// x [1, h, w, 4] -> prediction [1, h, w, 4]. The predictions of overlapping tiles are joined at every call: all tiles
// go on from one latent, so that they cannot grow apart (Bar-Tal et al. 2023, MultiDiffusion). `unet` must outlive it.
Network upscale_network(const UNet& unet, const UpscaleNetworkOptions& options);

}  // namespace easel
