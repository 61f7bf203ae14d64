// How an image is cut into tiles that fit into memory, known before the work begins. Private to easel/pipeline.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "easel/image/image.h"
#include "easel/upscale/tiles.h"

namespace easel {

// Chosen tiles are no smaller than this: half of a smaller one would be overlap.
inline constexpr int64_t kSmallestChosenTilePx = 64;

struct TileDemand {
  Size image;                                                           // both sides multiples of kTileStepPx
  std::function<uint64_t(int64_t rows, int64_t columns)> needed_bytes;  // at least, for tiles of this size
};

// The grid of tiles of `tile_px`, or of the largest that fit into `available_bytes` (at most kLargestTilePx); a single
// tile where the image is no larger. Throws Error out_of_memory with what is needed, what there is and the cure: the
// largest tiles that fit, or what even the smallest need.
TileGrid plan_tiles(const TileDemand& demand, std::optional<int64_t> tile_px, std::optional<int64_t> overlap_px,
                    uint64_t available_bytes);

}  // namespace easel
