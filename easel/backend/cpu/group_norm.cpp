#include "easel/backend/cpu/group_norm.h"

#include <algorithm>
#include <cmath>

#include "easel/backend/cpu/kernels.h"
#include "easel/backend/cpu/parallel.h"

namespace easel::cpu {
namespace {

constexpr int64_t kChunkPixels = 64;  // summed in f32; the sums of chunks are added in f64

struct ImageSums {
  const Tensor& sums;  // [chunks, 2, c]: sum and sum of squares of x - pivot
  const float* pivot;  // [c]: the first pixel, so that a large mean costs no precision
  int64_t pixels;
};

// The mean and variance of channels [first, last), from the sums of all chunks in order.
std::pair<double, double> group_moments(const ImageSums& image, int64_t first, int64_t last) {
  const int64_t c = image.sums.dim(2);
  const float* const data = image.sums.data().data();
  const auto pixels = static_cast<double>(image.pixels);
  std::vector<double> means;
  double mean = 0.0;
  double spread = 0.0;
  for (int64_t channel = first; channel < last; ++channel) {
    double sum = 0.0;
    double square_sum = 0.0;
    for (int64_t chunk = 0; chunk < image.sums.dim(0); ++chunk) {
      sum += static_cast<double>(data[(chunk * 2) * c + channel]);
      square_sum += static_cast<double>(data[(chunk * 2 + 1) * c + channel]);
    }
    means.push_back(static_cast<double>(image.pivot[channel]) + sum / pixels);
    mean += means.back() / static_cast<double>(last - first);
    spread += square_sum - sum * sum / pixels;  // about the channel's own mean
  }
  for (const double channel_mean : means) spread += pixels * (channel_mean - mean) * (channel_mean - mean);
  return {mean, std::max(0.0, spread) / (pixels * static_cast<double>(last - first))};
}

}  // namespace

void group_norm(int threads, const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t groups, float epsilon,
                Activation activation, Tensor& out) {
  const int64_t c = x.dim(-1);
  const int64_t pixels = x.count() / (x.dim(0) * c);
  const int64_t chunks = (pixels + kChunkPixels - 1) / kChunkPixels;
  const int64_t group_size = c / groups;
  Tensor sums = Tensor::empty(x.device(), {chunks, 2, c});
  std::vector<float> scale(static_cast<size_t>(c));
  std::vector<float> shift(static_cast<size_t>(c));
  float* const sums_data = sums.data().data();
  const float* const weights = weight.data().data();
  const float* const biases = bias.data().data();
  for (int64_t image = 0; image < x.dim(0); ++image) {
    const float* const from = x.data().data() + image * pixels * c;
    float* const to = out.data().data() + image * pixels * c;
    parallel_for(threads, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t count = std::min(kChunkPixels, pixels - chunk * kChunkPixels);
        float* const sum = sums_data + chunk * 2 * c;
        channel_sums(from + chunk * kChunkPixels * c, from, static_cast<size_t>(count), static_cast<size_t>(c), sum,
                     sum + c);
      }
    });
    const ImageSums image_sums{.sums = sums, .pivot = from, .pixels = pixels};
    for (int64_t group = 0; group < groups; ++group) {
      const auto [mean, variance] = group_moments(image_sums, group * group_size, (group + 1) * group_size);
      const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(epsilon));
      for (int64_t channel = group * group_size; channel < (group + 1) * group_size; ++channel) {
        const double factor = static_cast<double>(weights[channel]) * inverse;
        scale[static_cast<size_t>(channel)] = static_cast<float>(factor);
        shift[static_cast<size_t>(channel)] = static_cast<float>(static_cast<double>(biases[channel]) - mean * factor);
      }
    }
    parallel_for(threads, chunks, 1, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * kChunkPixels;
      const int64_t last = std::min(pixels, end * kChunkPixels);
      scale_shift(from + first * c, scale.data(), shift.data(), activation, static_cast<size_t>(last - first),
                  static_cast<size_t>(c), to + first * c);
    });
  }
}

}  // namespace easel::cpu
