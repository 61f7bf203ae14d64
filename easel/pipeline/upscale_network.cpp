#include "easel/pipeline/upscale_network.h"

#include <algorithm>
#include <cmath>
#include <vector>

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
  const int64_t rows = options.context.dim(0);
  const int64_t at_once = options.rows_at_once == 0 ? rows : std::min(rows, options.rows_at_once);
  std::vector<UNet::Conditioning> conditionings;  // of so many rows each
  for (int64_t row = 0; row < rows; row += at_once) {
    const std::vector<int32_t> noise_levels(static_cast<size_t>(at_once), options.noise_level);
    conditionings.push_back(unet.condition(options.context.slice(row, row + at_once), noise_levels));
  }
  return [&unet, options, conditionings](const Tensor& x, const Level& level) {
    TileBlend joined(options.grid, 1, x.dim(3));
    for (int64_t tile = 0; tile < options.grid.count(); ++tile) {
      const Tensor picture = options.grid.cut(options.noised_picture, tile);
      const auto run = [&](const Tensor& latents, const Level& at, const UNet::Conditioning& conditioning) {
        const std::vector<float> timesteps(static_cast<size_t>(latents.dim(0)), static_cast<float>(at.timestep));
        const Tensor pictures = latents.dim(0) == 1 ? picture : ops::concat_batch(picture, picture);
        return unet(ops::concat_channels(latents, pictures), timesteps, conditioning, options.observe);
      };
      const Network predict = [&](const Tensor& latents, const Level& at) {
        if (conditionings.size() == 1) return run(latents, at, conditionings[0]);
        return ops::concat_batch(run(latents.slice(0, 1), at, conditionings[0]),
                                 run(latents.slice(1, 2), at, conditionings[1]));
      };
      joined.add(tile, guided(predict, options.guidance_scale)(options.grid.cut(x, tile), level));
      if (options.on_tile && tile + 1 < options.grid.count()) options.on_tile(tile + 1);
    }
    return joined.whole(x.device());
  };
}

}  // namespace easel
