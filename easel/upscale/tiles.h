// Tiles: overlapping parts that cover an image, so that a network can work on one at a time, and their seamless joining
// (docs/adr/0010-upscaling-in-tiles.md).
#pragma once

#include <cstdint>
#include <vector>

#include "easel/tensor/tensor.h"

namespace easel {

// The tiles along one side of an image, all of one size.
struct TileSide {
  int64_t size;                 // of the image
  int64_t tile;                 // of each tile
  int64_t overlap;              // neighbours share at least so much
  std::vector<int64_t> begins;  // ascending
};

// As few tiles as cover `size` if none is larger than `limit`; spread evenly, and no larger than that takes. All
// numbers are multiples of `step`; overlap < limit.
TileSide cover(int64_t size, int64_t limit, int64_t overlap, int64_t step);

// Numbered row by row.
class TileGrid {
 public:
  TileGrid(TileSide rows, TileSide columns) : rows_(std::move(rows)), columns_(std::move(columns)) {}

  const TileSide& rows() const { return rows_; }
  const TileSide& columns() const { return columns_; }
  int64_t count() const { return static_cast<int64_t>(rows_.begins.size() * columns_.begins.size()); }
  size_t row_of(int64_t tile) const { return static_cast<size_t>(tile) / columns_.begins.size(); }
  size_t column_of(int64_t tile) const { return static_cast<size_t>(tile) % columns_.begins.size(); }

  // x [1, rows, columns, c] -> the part of x under a tile [1, tile rows, tile columns, c]
  Tensor cut(const Tensor& x, int64_t tile) const;

 private:
  TileSide rows_;
  TileSide columns_;
};

// What a network made of each tile, each value `scale` times as large in both directions, joined to a whole. Where
// tiles overlap, one fades into the other; the outer quarter of an overlap, where a network sees the border of its
// tile, counts nothing.
class TileBlend {
 public:
  TileBlend(const TileGrid& grid, int64_t scale, int64_t channels);

  // values [1, scale tile rows, scale tile columns, channels]; each tile once.
  void add(int64_t tile, const Tensor& values);
  // Rows [begin, end) of the whole, once all tiles are there -> [1, end - begin, scale columns, channels]
  Tensor rows(const Device& device, int64_t begin, int64_t end) const;
  Tensor whole(const Device& device) const { return rows(device, 0, height_); }
  int64_t height() const { return height_; }

 private:
  using SideWeights = std::vector<std::vector<float>>;  // of each tile along a side, one for each of its pixels

  TileGrid grid_;
  int64_t scale_;
  int64_t channels_;
  int64_t height_;
  int64_t width_;
  SideWeights row_weights_;  // add up to 1 in each pixel
  SideWeights column_weights_;
  std::vector<float> sums_;  // [height, width, channels]
};

}  // namespace easel
