#include "easel/upscale/tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/device.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

TEST(Cover, OneTileWhereAllFits) {
  for (const int64_t size : {8, 120, 128}) {
    const TileSide side = cover(size, 128, 32, 8);
    EXPECT_EQ(side.tile, size);
    EXPECT_EQ(side.begins, std::vector<int64_t>{0});
  }
}

TEST(Cover, TilesReachFromEndToEndAndOverlap) {
  for (int64_t size = 8; size <= 1024; size += 8) {
    for (const auto& [limit, overlap] : {std::pair{64, 8}, {64, 32}, {128, 32}, {256, 32}, {136, 128}}) {
      const TileSide side = cover(size, limit, overlap, 8);
      ASSERT_LE(side.tile, limit) << size;
      ASSERT_EQ(side.tile % 8, 0);
      ASSERT_EQ(side.begins.front(), 0);
      ASSERT_EQ(side.begins.back() + side.tile, size);
      for (size_t i = 1; i < side.begins.size(); ++i) {
        ASSERT_EQ(side.begins[i] % 8, 0);
        ASSERT_GT(side.begins[i], side.begins[i - 1]);
        ASSERT_GE(side.begins[i - 1] + side.tile - side.begins[i], overlap) << size << " " << limit;
      }
    }
  }
}

TEST(Cover, NoMoreTilesThanNeeded) {
  EXPECT_EQ(cover(512, 256, 32, 8).begins.size(), 3u);
  EXPECT_EQ(cover(512, 256, 32, 8).tile, 192);
  EXPECT_EQ(cover(136, 128, 32, 8).begins.size(), 2u);
  EXPECT_EQ(cover(136, 128, 32, 8).tile, 88);
}

Tensor numbered(int64_t rows, int64_t columns, int64_t channels) {
  std::vector<float> values;
  for (int64_t i = 0; i < rows * columns * channels; ++i) values.push_back(std::sin(static_cast<float>(i)));
  return Tensor::from(cpu_device(), {1, rows, columns, channels}, std::span<const float>(values));
}

TEST(TileBlend, CuttingAndJoiningGivesTheWhole) {
  for (const auto& [rows, columns] : {std::pair{64, 64}, {80, 200}, {200, 80}, {8, 8}}) {
    const TileGrid grid(cover(rows, 64, 16, 8), cover(columns, 64, 16, 8));
    const Tensor x = numbered(rows, columns, 3);
    TileBlend blend(grid, 1, 3);
    for (int64_t i = 0; i < grid.count(); ++i) blend.add(i, grid.cut(x, i));
    EXPECT_TENSOR_NEAR(blend.whole(cpu_device()), x, tolerance(DType::f32, 4));
  }
}

TEST(TileBlend, OneTileStaysAsItIs) {
  const TileGrid grid(cover(24, 64, 16, 8), cover(40, 64, 16, 8));
  const Tensor x = numbered(24, 40, 3);
  TileBlend blend(grid, 1, 3);
  blend.add(0, grid.cut(x, 0));
  EXPECT_TENSOR_NEAR(blend.whole(cpu_device()), x, 0.0);
}

TEST(TileBlend, RowsAreAPartOfTheWhole) {
  const TileGrid grid(cover(96, 64, 16, 8), cover(64, 64, 16, 8));
  TileBlend blend(grid, 2, 1);
  for (int64_t i = 0; i < grid.count(); ++i) blend.add(i, numbered(2 * grid.rows().tile, 128, 1));
  EXPECT_EQ(blend.height(), 192);
  const Tensor whole = blend.whole(cpu_device()).reshape({192, 128});
  EXPECT_TENSOR_NEAR(blend.rows(cpu_device(), 50, 60).reshape({10, 128}), whole.slice(50, 60), 0.0);
}

// Two tiles of 0 and 1 side by side: a smooth ramp within the overlap.
TEST(TileBlend, NeighboursFadeIntoEachOther) {
  const int64_t scale = 4, overlap = 32;
  const TileGrid grid(cover(64, 64, overlap, 8), cover(96, 64, overlap, 8));
  ASSERT_EQ(grid.count(), 2);
  TileBlend blend(grid, scale, 1);
  const Shape tile{1, 64 * scale, 64 * scale, 1};
  blend.add(0, Tensor::zeros(cpu_device(), tile));
  blend.add(1, Tensor::from(cpu_device(), tile, std::vector<float>(static_cast<size_t>(tile.count()), 1.0f)));
  const std::vector<float> all = blend.whole(cpu_device()).values();
  const std::span<const float> row = std::span(all).first(static_cast<size_t>(96 * scale));
  const auto first = static_cast<size_t>(32 * scale), quarter = static_cast<size_t>(overlap * scale / 4);
  const float steepest = 1.5f / (2.0f * static_cast<float>(quarter));  // of a smooth step over half the overlap
  for (size_t i = 0; i < row.size(); ++i) {
    const bool left_alone = i < first + quarter, right_alone = i >= first + 3 * quarter;
    const float low = right_alone ? 1.0f : 0.0f, high = left_alone ? 0.0f : 1.0f;
    EXPECT_TRUE(row[i] >= low && row[i] <= high) << i << ": " << row[i];
    EXPECT_LE(std::abs(row[i] - row[i == 0 ? 0 : i - 1]), steepest + 1e-6f) << i;
  }
}

}  // namespace
}  // namespace easel::testing
