#include "easel/pipeline/tile_plan.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/upscale_request.h"

namespace easel {
namespace {

class TilePlanner {
 public:
  TilePlanner(const TileDemand& demand, std::optional<int64_t> overlap_px, uint64_t available_bytes)
      : demand_(demand), overlap_px_(overlap_px), available_bytes_(available_bytes) {}

  int64_t smallest() const {
    return overlap_px_ ? std::max(kSmallestChosenTilePx, 2 * *overlap_px_) : kSmallestChosenTilePx;
  }

  TileGrid grid(int64_t tile_px) const {
    const int64_t overlap = overlap_px_.value_or(std::min(kOverlapPx, tile_px / 2 / kTileStepPx * kTileStepPx));
    return {cover(demand_.image.height_px, tile_px, overlap, kTileStepPx),
            cover(demand_.image.width_px, tile_px, overlap, kTileStepPx)};
  }

  uint64_t needed_bytes(int64_t tile_px) const {
    const TileGrid tiles = grid(tile_px);
    return demand_.needed_bytes(tiles.rows().tile, tiles.columns().tile);
  }

  bool fits(int64_t tile_px) const { return needed_bytes(tile_px) <= available_bytes_; }

  std::optional<int64_t> largest_that_fits(int64_t limit_px) const {
    for (int64_t tile_px = limit_px; tile_px >= smallest(); tile_px -= kTileStepPx) {
      if (fits(tile_px)) return tile_px;
    }
    return std::nullopt;
  }

 private:
  const TileDemand& demand_;
  std::optional<int64_t> overlap_px_;
  uint64_t available_bytes_;
};

}  // namespace

TileGrid plan_tiles(const TileDemand& demand, std::optional<int64_t> tile_px, std::optional<int64_t> overlap_px,
                    uint64_t available_bytes) {
  const TilePlanner planner(demand, overlap_px, available_bytes);
  if (tile_px && planner.fits(*tile_px)) return planner.grid(*tile_px);
  const auto fitting = planner.largest_that_fits(tile_px.value_or(kLargestTilePx));
  if (!fitting) {
    throw Error(
        ErrorCode::out_of_memory,
        "{}x{} pixels need about {} of memory even in tiles of {} pixels, but {} can be had; try a smaller "
        "image, or close other programs",
        demand.image.width_px, demand.image.height_px,
        format_bytes(planner.needed_bytes(tile_px ? std::min(*tile_px, planner.smallest()) : planner.smallest())),
        tile_px ? std::min(*tile_px, planner.smallest()) : planner.smallest(), format_bytes(available_bytes));
  }
  if (tile_px) {
    throw Error(ErrorCode::out_of_memory,
                "tiles of {} pixels need about {} of memory, but {} can be had; try --tile {}, the largest that fits",
                *tile_px, format_bytes(planner.needed_bytes(*tile_px)), format_bytes(available_bytes), *fitting);
  }
  return planner.grid(*fitting);
}

}  // namespace easel
