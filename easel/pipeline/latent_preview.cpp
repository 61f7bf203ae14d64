#include "easel/pipeline/latent_preview.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "easel/image/tensor_image.h"
#include "easel/pipeline/latent.h"

namespace easel {
namespace {

constexpr int64_t kSampleSide = 8;  // latent positions a side: 64 samples for 5 unknowns
constexpr double kDamping = 1e-3;   // keeps a latent without variation from giving a singular system
constexpr int kPixelLevels = 255;

// latent [n, h, w, c] -> its middle [1, side, side, c] of the first image
Tensor middle(const Tensor& latent) {
  const int64_t h = latent.dim(1), w = latent.dim(2), c = latent.dim(3);
  const int64_t rows = std::min(h, kSampleSide), columns = std::min(w, kSampleSide);
  const std::vector<float> values = latent.slice(0, 1).values();
  std::vector<float> part;
  for (int64_t y = (h - rows) / 2; y < (h + rows) / 2; ++y) {
    const auto begin = values.begin() + (y * w + (w - columns) / 2) * c;
    part.insert(part.end(), begin, begin + columns * c);
  }
  return Tensor::from(latent.device(), {1, rows, columns, c}, std::span<const float>(part));
}

// pixels [1, h * factor, w * factor, 3] -> the mean colour of each block of factor x factor, [h * w][3]
std::vector<std::array<double, 3>> block_means(const Tensor& pixels, int64_t factor) {
  const int64_t h = pixels.dim(1) / factor, w = pixels.dim(2) / factor;
  const std::vector<float> values = pixels.values();
  std::vector<std::array<double, 3>> means(static_cast<size_t>(h * w));
  const double share = 1.0 / static_cast<double>(factor * factor);
  for (int64_t y = 0; y < h * factor; ++y) {
    for (int64_t x = 0; x < w * factor; ++x) {
      for (int64_t colour = 0; colour < 3; ++colour) {
        const auto at = static_cast<size_t>((y * w * factor + x) * 3 + colour);
        means[static_cast<size_t>(y / factor * w + x / factor)][static_cast<size_t>(colour)] += share * values[at];
      }
    }
  }
  return means;
}

// Gauss elimination of the symmetric positive definite a x = b; b becomes x.
void solve_inplace(std::vector<std::vector<double>>& a, std::vector<std::array<double, 3>>& b) {
  const size_t n = a.size();
  for (size_t pivot = 0; pivot < n; ++pivot) {
    for (size_t row = 0; row < n; ++row) {
      if (row == pivot) continue;
      const double factor = a[row][pivot] / a[pivot][pivot];
      for (size_t k = pivot; k < n; ++k) a[row][k] -= factor * a[pivot][k];
      for (size_t k = 0; k < 3; ++k) b[row][k] -= factor * b[pivot][k];
    }
  }
  for (size_t row = 0; row < n; ++row) {
    for (double& value : b[row]) value /= a[row][row];
  }
}

uint8_t pixel_of(double value) {
  return static_cast<uint8_t>(std::clamp((value + 1.0) / 2.0, 0.0, 1.0) * kPixelLevels);
}

}  // namespace

LatentPreview::Projection LatentPreview::fitted(const Model& model, const Tensor& latent) {
  const Tensor part = middle(latent);
  const auto colours = block_means(decode_latent(model, part), model.vae_factor());
  const std::vector<float> values = part.values();
  const auto c = static_cast<size_t>(latent.dim(3));
  EASEL_ASSERT(c <= kMaxChannels);

  std::vector<std::vector<double>> a(c + 1, std::vector<double>(c + 1, 0.0));  // sum of z z^T, z = (latent, 1)
  std::vector<std::array<double, 3>> b(c + 1);                                 // sum of z colour^T
  for (size_t sample = 0; sample < colours.size(); ++sample) {
    const auto z = [&](size_t i) { return i < c ? static_cast<double>(values[sample * c + i]) : 1.0; };
    for (size_t i = 0; i <= c; ++i) {
      for (size_t j = 0; j <= c; ++j) a[i][j] += z(i) * z(j);
      for (size_t k = 0; k < 3; ++k) b[i][k] += z(i) * colours[sample][k];
    }
  }
  for (size_t i = 0; i <= c; ++i) a[i][i] += kDamping;
  solve_inplace(a, b);

  Projection projection{};
  for (size_t k = 0; k < 3; ++k) {
    for (size_t i = 0; i < c; ++i) projection[k][i] = b[i][k];
    projection[k][kMaxChannels] = b[c][k];
  }
  return projection;
}

Image LatentPreview::operator()(const Model& model, const Tensor& latent) {
  if (const TinyVaeDecoder* decoder = model.preview_decoder()) {
    return images_from(decode_latent(*decoder, latent.slice(0, 1))).front();
  }
  if (!projection_) projection_ = fitted(model, latent);
  const std::vector<float> values = latent.slice(0, 1).values();
  const auto c = static_cast<size_t>(latent.dim(3));
  Image image(latent.dim(2), latent.dim(1));
  for (size_t position = 0; position < values.size() / c; ++position) {
    for (size_t k = 0; k < 3; ++k) {
      double colour = (*projection_)[k][kMaxChannels];
      for (size_t i = 0; i < c; ++i) colour += (*projection_)[k][i] * static_cast<double>(values[position * c + i]);
      image.bytes()[position * 3 + k] = pixel_of(colour);
    }
  }
  return image;
}

}  // namespace easel
