#include "easel/pipeline/job_noise.h"

#include <cmath>

#include "easel/ops/arithmetic.h"
#include "easel/pipeline/starting_point.h"

namespace easel {
namespace {

constexpr double kAlmostParallel = 0.9995;

std::unique_ptr<NoiseSource> make_source(RngKind kind, NoiseOrder order, const std::vector<uint64_t>& seeds) {
  if (order == NoiseOrder::compvis) return std::make_unique<BatchNoise>(kind, seeds.front());
  return std::make_unique<PerImageNoise>(kind, seeds);
}

// The rows of one channel in one column.
struct Column {
  const float* low;
  const float* high;
  int64_t rows;
  int64_t stride;
};

double cosine(const Column& column) {
  double dot = 0.0, low = 0.0, high = 0.0;
  for (int64_t i = 0; i < column.rows * column.stride; i += column.stride) {
    dot += double{column.low[i]} * column.high[i];
    low += double{column.low[i]} * column.low[i];
    high += double{column.high[i]} * column.high[i];
  }
  return dot / std::sqrt(low * high);
}

}  // namespace

JobNoise::JobNoise(const Request& request)
    : start_kind_(parse_rng_kind(request.rng)),
      step_kind_(start_kind_ == RngKind::numpy ? RngKind::cpu : start_kind_),
      order_(request.noise_order),
      fixed_code_(request.fixed_code),
      seed_(*request.seed),
      image_seed_(request.image_seed),
      variation_strength_(request.variation_strength.value_or(0.0)) {}

void JobNoise::begin(const std::vector<PlannedImage>& batch) {
  seeds_.clear();
  variation_seeds_.clear();
  for (const PlannedImage& image : batch) {
    seeds_.push_back(image.seed);
    variation_seeds_.push_back(image.variation_seed);
  }
  if (is_shared() && steps_) return;
  const std::vector<uint64_t> seeds = is_shared() ? std::vector{seed_} : seeds_;
  steps_ = make_source(step_kind_, order_, seeds);
  if (start_kind_ != step_kind_) start_source_ = make_source(start_kind_, order_, seeds);
}

Tensor JobNoise::for_image(const Device& device, const Shape& shape) {
  const int64_t n = shape.dim(0);
  if (image_seed_) {
    return repeated(BatchNoise(step_kind_, *image_seed_).draw(device, {1, shape[1], shape[2], shape[3]}), n);
  }
  if (!is_shared()) return steps_->draw(device, shape);
  if (!kept_image_noise_) kept_image_noise_ = steps_->draw(device, shape);
  return kept_image_noise_->slice(0, n);  // a last batch may be smaller
}

Tensor JobNoise::start(const Device& device, const Shape& shape) {
  if (!(is_shared() && fixed_code_)) return draw_start(device, shape);
  if (!kept_start_) kept_start_ = draw_start(device, shape);
  return kept_start_->slice(0, shape.dim(0));
}

Tensor JobNoise::draw_start(const Device& device, const Shape& shape) {
  const Tensor noise = (start_source_ ? *start_source_ : *steps_).draw(device, shape);
  if (variation_strength_ == 0.0) return noise;
  return slerp(noise, PerImageNoise(start_kind_, variation_seeds_).draw(device, shape), variation_strength_);
}

Tensor slerp(const Tensor& low, const Tensor& high, double t) {
  const Shape& shape = low.shape();
  const int64_t rows = shape.dim(1), stride = shape.dim(2) * shape.dim(3), image = rows * stride;
  const std::vector<float> from = low.values(), to = high.values();
  std::vector<float> values(from.size());
  for (int64_t begin = 0; begin < shape.count(); begin += image) {
    std::vector<double> cosines;
    for (int64_t i = 0; i < stride; ++i) cosines.push_back(cosine({&from[begin + i], &to[begin + i], rows, stride}));
    double mean = 0.0;
    for (const double value : cosines) mean += value / static_cast<double>(stride);
    for (int64_t i = 0; i < image; ++i) {
      const double omega = std::acos(cosines[i % stride]);
      const bool straight = mean > kAlmostParallel;
      const double of_low = straight ? 1.0 - t : std::sin((1.0 - t) * omega) / std::sin(omega);
      const double of_high = straight ? t : std::sin(t * omega) / std::sin(omega);
      values[begin + i] = static_cast<float>(of_low * from[begin + i] + of_high * to[begin + i]);
    }
  }
  return Tensor::from(low.device(), shape, values);
}

}  // namespace easel
