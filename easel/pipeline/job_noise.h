// JobNoise: the random numbers of a job, in the order in which the reference implementations draw them. Private to
// easel/pipeline.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "easel/pipeline/request.h"
#include "easel/sampling/noise.h"

namespace easel {

class JobNoise {
 public:
  // request: has a seed.
  explicit JobNoise(const Request& request);

  // Each batch begins anew, but goes on with the numbers of the last one where one generator draws for all.
  void begin(const std::vector<PlannedImage>& batch);

  // Of a batch's draws first: noise for the sample of an image's latent. shape [n, h, w, c]
  Tensor for_image(const Device& device, const Shape& shape);
  // Second: what sampling starts from, with variations. shape [n, h, w, c]
  Tensor start(const Device& device, const Shape& shape);
  // Then: noise of the steps.
  NoiseSource& steps() { return *steps_; }

  RngKind step_kind() const { return step_kind_; }

 private:
  bool is_shared() const { return order_ == NoiseOrder::compvis; }
  Tensor draw_start(const Device& device, const Shape& shape);

  RngKind start_kind_;
  RngKind step_kind_;
  NoiseOrder order_;
  bool fixed_code_;
  uint64_t seed_;
  std::optional<uint64_t> image_seed_;
  double variation_strength_;
  std::vector<uint64_t> seeds_;                // of this batch's images
  std::vector<uint64_t> variation_seeds_;      // likewise
  std::unique_ptr<NoiseSource> start_source_;  // where it is another generator
  std::unique_ptr<NoiseSource> steps_;
  std::optional<Tensor> kept_image_noise_;  // of the first batch, where one generator draws for all
  std::optional<Tensor> kept_start_;        // likewise, with fixed_code
};

// Spherical interpolation (Shoemake 1985) from `low` (t = 0) to `high` (t = 1), column by column as AUTOMATIC1111 does:
// the angle is that between the values of a channel in one column. [n, h, w, c] all.
Tensor slerp(const Tensor& low, const Tensor& high, double t);

}  // namespace easel
