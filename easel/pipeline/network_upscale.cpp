#include "easel/pipeline/network_upscale.h"

#include "easel/base/error.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/arithmetic.h"
#include "easel/pipeline/finite.h"
#include "easel/pipeline/memory.h"
#include "easel/pipeline/tile_plan.h"
#include "easel/pipeline/timed.h"

namespace easel {
namespace {

constexpr float kHalfByte = 0.5f / 255.0f;  // of a channel in [0, 1]

}  // namespace

// The widest moments: all that a dense block knows beside its own and its block's input, and the convolution at full
// size with its input and buffers.
uint64_t rrdbnet_activation_bytes(const RrdbNetConfig& config, int64_t rows, int64_t columns) {
  const int64_t small = (rows / config.unshuffle) * (columns / config.unshuffle);
  const int64_t large = small << (2 * config.doublings);
  const int64_t dense = small * (2 * (config.features + 4 * config.growth) + 3 * config.features);
  const int64_t full = 3 * large * config.features;
  return static_cast<uint64_t>(std::max(dense, full)) * sizeof(float);
}

Image NetworkUpscale::enlarge(const Image& image, std::optional<TileGrid>& grid) {
  const Timed timed(result().times.decoding);
  const Size size{image.width_px() * scale(), image.height_px() * scale()};
  const auto input_bytes = static_cast<uint64_t>(image.bytes().size()) * 2 * sizeof(float);
  grid = plan_tiles(
      {.image = image.size(),
       .fixed_bytes = kProgramBytes + kLargestPackingBytes + input_bytes + joined_bytes(size),
       .tile_bytes = [&](int64_t rows,
                         int64_t columns) { return rrdbnet_activation_bytes(network_.config(), rows, columns); }},
      request().tile_px, request().overlap_px, available_bytes());
  const Tensor x = tensor_from(image, device());
  TileBlend pixels(*grid, scale(), Image::kChannels);
  tell({.stage = Stage::upscaling, .step = 0, .steps = grid->count()});
  for (int64_t tile = 0; tile < grid->count(); ++tile) {
    pixels.add(tile, enlarge_tile(grid->cut(x, tile)));
    tell({.stage = Stage::upscaling, .step = tile + 1, .steps = grid->count()});
  }
  return image_from(pixels, device());
}

Tensor NetworkUpscale::enlarge_tile(const Tensor& x) const {
  stop_if_cancelled();
  const Tensor y = network_(x * 0.5f + 0.5f, watch_cancel());
  if (!is_finite(y)) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the network gives numbers that are not finite; the file is damaged",
                model_name_);
  }
  return y * 2.0f + (2.0f * kHalfByte - 1.0f);  // bytes are cut off: this rounds them
}

Infotext NetworkUpscale::describe() const {
  return {.prompt = {},
          .negative_prompt = {},
          .fields = {{"Upscaler", model_name_}, {"Upscale by", fmt::format("{}", *request().factor)}}};
}

}  // namespace easel
