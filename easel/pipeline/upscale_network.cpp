#include "easel/pipeline/upscale_network.h"

#include <cmath>
#include <memory>

#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"

namespace easel {
namespace {

// Of the noise on the picture; the published configuration has the latent's here, too.
constexpr NoiseScheduleOptions kPictureSchedule = {.beta_start = 0.0001, .beta_end = 0.02};

}  // namespace

Tensor noised_picture(const Tensor& x, const Tensor& noise, int64_t noise_level) {
  const double alpha = NoiseSchedule(kPictureSchedule).alpha_cumprod(noise_level);
  return ops::combine(
      {{static_cast<float>(std::sqrt(alpha)), &x}, {static_cast<float>(std::sqrt(1.0 - alpha)), &noise}});
}

Network upscale_network(const UNet& unet, const UpscaleNetworkOptions& options) {
  const std::vector<int32_t> noise_levels(static_cast<size_t>(options.context.dim(0)), options.noise_level);
  const auto conditioning = std::make_shared<const UNet::Conditioning>(unet.condition(options.context, noise_levels));
  return [&unet, options, conditioning](const Tensor& x, const Level& level) {
    TileBlend joined(options.grid, 1, x.dim(3));
    for (int64_t tile = 0; tile < options.grid.count(); ++tile) {
      const Tensor picture = options.grid.cut(options.noised_picture, tile);
      const Network predict = [&](const Tensor& latents, const Level& at) {
        const std::vector<float> timesteps(static_cast<size_t>(latents.dim(0)), static_cast<float>(at.timestep));
        const Tensor pictures = latents.dim(0) == 1 ? picture : ops::concat_batch(picture, picture);
        return unet(ops::concat_channels(latents, pictures), timesteps, *conditioning, options.observe);
      };
      joined.add(tile, guided(predict, options.guidance_scale)(options.grid.cut(x, tile), level));
      if (options.on_tile && tile + 1 < options.grid.count()) options.on_tile(tile + 1);
    }
    return joined.whole(x.device());
  };
}

}  // namespace easel
