#include "easel/upscale/tiles.h"

#include <algorithm>

namespace easel {
namespace {

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// 0 in the outer quarter of an overlap, 1 in the inner one, smooth between; fade(t) + fade(1 - t) = 1.
double fade(double t) {
  const double u = std::clamp(2.0 * t - 0.5, 0.0, 1.0);
  return u * u * (3.0 - 2.0 * u);
}

std::vector<std::vector<float>> blending_weights(const TileSide& side, int64_t scale) {
  const int64_t tile = side.tile * scale;
  const auto overlap = static_cast<double>(side.overlap * scale);
  std::vector<std::vector<double>> weights;
  std::vector<double> sums(static_cast<size_t>(side.size * scale));
  for (const int64_t begin : side.begins) {
    std::vector<double>& weight = weights.emplace_back(static_cast<size_t>(tile), 1.0);
    for (int64_t i = 0; i < tile; ++i) {
      const double inside = static_cast<double>(i) + 0.5;
      double& w = weight[static_cast<size_t>(i)];
      if (begin > 0) w = fade(inside / overlap);
      if (begin + side.tile < side.size) w *= fade((static_cast<double>(tile) - inside) / overlap);
      sums[static_cast<size_t>(begin * scale + i)] += w;
    }
  }
  std::vector<std::vector<float>> normalised;
  for (size_t k = 0; k < weights.size(); ++k) {
    std::vector<float>& out = normalised.emplace_back();
    const auto first = static_cast<size_t>(side.begins[k] * scale);
    for (size_t i = 0; i < weights[k].size(); ++i) out.push_back(static_cast<float>(weights[k][i] / sums[first + i]));
  }
  return normalised;
}

}  // namespace

TileSide cover(int64_t size, int64_t limit, int64_t overlap, int64_t step) {
  EASEL_ASSERT(size > 0 && limit > overlap && overlap > 0);
  EASEL_ASSERT(size % step == 0 && limit % step == 0 && overlap % step == 0);
  if (size <= limit) return {.size = size, .tile = size, .overlap = overlap, .begins = {0}};
  const int64_t gain = limit - overlap;  // of each tile after the first
  const int64_t count = (size - overlap + gain - 1) / gain;
  TileSide side{.size = size,
                .tile = round_up((size + (count - 1) * overlap + count - 1) / count, step),
                .overlap = overlap,
                .begins = {}};
  for (int64_t i = 0; i < count; ++i) {
    side.begins.push_back(i * (size - side.tile) / (count - 1) / step * step);
  }
  return side;
}

Tensor TileGrid::cut(const Tensor& x, int64_t tile) const {
  EASEL_ASSERT(x.dim(0) == 1 && x.dim(1) == rows_.size && x.dim(2) == columns_.size);
  if (count() == 1) return x;
  const int64_t c = x.dim(3);
  const std::vector<float> values = x.values();
  std::vector<float> part;
  part.reserve(static_cast<size_t>(rows_.tile * columns_.tile * c));
  for (int64_t row = 0; row < rows_.tile; ++row) {
    const int64_t from = ((rows_.begins[row_of(tile)] + row) * columns_.size + columns_.begins[column_of(tile)]) * c;
    const auto first = values.begin() + from;
    part.insert(part.end(), first, first + columns_.tile * c);
  }
  return Tensor::from(x.device(), {1, rows_.tile, columns_.tile, c}, std::span<const float>(part));
}

TileBlend::TileBlend(const TileGrid& grid, int64_t scale, int64_t channels)
    : grid_(grid),
      scale_(scale),
      channels_(channels),
      height_(grid.rows().size * scale),
      width_(grid.columns().size * scale),
      row_weights_(blending_weights(grid.rows(), scale)),
      column_weights_(blending_weights(grid.columns(), scale)),
      sums_(static_cast<size_t>(height_ * width_ * channels)) {}

void TileBlend::add(int64_t tile, const Tensor& values) {
  const int64_t rows = grid_.rows().tile * scale_, columns = grid_.columns().tile * scale_;
  EASEL_ASSERT(values.shape() == Shape({1, rows, columns, channels_}));
  const size_t tile_row = grid_.row_of(tile), tile_column = grid_.column_of(tile);
  const std::vector<float> from = values.values();
  const float* value = from.data();
  for (int64_t row = 0; row < rows; ++row) {
    const float row_weight = row_weights_[tile_row][static_cast<size_t>(row)];
    const int64_t y = grid_.rows().begins[tile_row] * scale_ + row;
    const int64_t x = grid_.columns().begins[tile_column] * scale_;
    float* sum = sums_.data() + (y * width_ + x) * channels_;
    for (const float column_weight : column_weights_[tile_column]) {
      const float weight = row_weight * column_weight;
      for (int64_t c = 0; c < channels_; ++c) *sum++ += weight * *value++;
    }
  }
}

Tensor TileBlend::rows(const Device& device, int64_t begin, int64_t end) const {
  const int64_t row = width_ * channels_;
  const std::span<const float> part(sums_.data() + begin * row, static_cast<size_t>((end - begin) * row));
  return Tensor::from(device, {1, end - begin, width_, channels_}, part);
}

}  // namespace easel
