#include "easel/backend/cpu/group_norm.h"

#include <algorithm>
#include <cmath>

#include "easel/backend/cpu/kernels.h"
#include "easel/backend/cpu/parallel.h"

namespace easel::cpu {
namespace {

constexpr int64_t kChunkPixels = 64;  // summed in f32; the sums of chunks are added in f64

// The mean and variance of channels [first, last).
std::pair<double, double> group_moments(const ImageSums& image, int64_t first, int64_t last) {
  const int64_t c = image.sums.dim(1);
  const double* const data = image.sums.data<double>().data();
  const auto pixels = static_cast<double>(image.pixels);
  std::vector<double> means;
  double mean = 0.0;
  double spread = 0.0;
  for (int64_t channel = first; channel < last; ++channel) {
    const double sum = data[channel];
    const double square_sum = data[c + channel];
    means.push_back(static_cast<double>(image.pivot[channel]) + sum / pixels);
    mean += means.back() / static_cast<double>(last - first);
    spread += square_sum - sum * sum / pixels;  // about the channel's own mean
  }
  for (const double channel_mean : means) spread += pixels * (channel_mean - mean) * (channel_mean - mean);
  return {mean, std::max(0.0, spread) / (pixels * static_cast<double>(last - first))};
}

}  // namespace

void channel_sums(int threads, const Tensor& x, const float* pivot, const Tensor* before, Tensor& sums) {
  const int64_t c = x.dim(-1);
  const int64_t pixels = x.count() / c;
  const int64_t chunks = (pixels + kChunkPixels - 1) / kChunkPixels;
  Tensor parts = Tensor::empty(x.device(), {chunks, 2 * c});
  const float* const from = x.data().data();
  float* const parts_data = parts.data().data();
  parallel_for(threads, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t count = std::min(kChunkPixels, pixels - chunk * kChunkPixels);
      float* const sum = parts_data + chunk * 2 * c;
      cpu::channel_sums(from + chunk * kChunkPixels * c, pivot, static_cast<size_t>(count), static_cast<size_t>(c), sum,
                        sum + c);
    }
  });
  double* const to = sums.data<double>().data();
  if (before == nullptr) std::fill_n(to, 2 * c, 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (int64_t i = 0; i < 2 * c; ++i) to[i] += static_cast<double>(parts_data[chunk * 2 * c + i]);
  }
}

void group_norm_scales(const ImageSums& image, const Tensor& weight, const Tensor& bias, int64_t groups, float epsilon,
                       Tensor& out) {
  const int64_t c = image.sums.dim(1);
  const int64_t group_size = c / groups;
  const float* const weights = weight.data().data();
  const float* const biases = bias.data().data();
  float* const scale = out.data().data();
  float* const shift = scale + c;
  for (int64_t group = 0; group < groups; ++group) {
    const auto [mean, variance] = group_moments(image, group * group_size, (group + 1) * group_size);
    const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(epsilon));
    for (int64_t channel = group * group_size; channel < (group + 1) * group_size; ++channel) {
      const double factor = static_cast<double>(weights[channel]) * inverse;
      scale[channel] = static_cast<float>(factor);
      shift[channel] = static_cast<float>(static_cast<double>(biases[channel]) - mean * factor);
    }
  }
}

void scale_shift(int threads, const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) {
  const int64_t c = x.dim(-1);
  const float* const from = x.data().data();
  float* const to = out.data().data();
  const float* const scale = scales.data().data();
  parallel_for(threads, x.count() / c, kChunkPixels, [&](int64_t begin, int64_t end) {
    cpu::scale_shift(from + begin * c, scale, scale + c, activation, static_cast<size_t>(end - begin),
                     static_cast<size_t>(c), to + begin * c);
  });
}

void group_norm(int threads, const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t groups, float epsilon,
                Activation activation, Tensor& out) {
  const int64_t c = x.dim(-1);
  const int64_t pixels = x.count() / (x.dim(0) * c);
  Tensor sums = Tensor::empty(x.device(), {2, c}, DType::f64);
  Tensor scales = Tensor::empty(x.device(), {2, c});
  for (int64_t image = 0; image < x.dim(0); ++image) {
    const Tensor from = x.slice(image, image + 1);
    Tensor to = out.slice(image, image + 1);
    const float* const pivot = from.data().data();
    channel_sums(threads, from, pivot, nullptr, sums);
    group_norm_scales({.sums = sums, .pivot = pivot, .pixels = pixels}, weight, bias, groups, epsilon, scales);
    scale_shift(threads, from, scales, activation, to);
  }
}

}  // namespace easel::cpu
