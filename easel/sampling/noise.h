// Where a run's noise comes from: who draws for which image of a batch.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "easel/sampling/random.h"
#include "easel/tensor/tensor.h"

namespace easel {

class NoiseSource {
 public:
  virtual ~NoiseSource() = default;

  // Standard normal noise. shape [n, h, w, c], drawn in the order [n, c, h, w] of the reference implementations.
  virtual Tensor draw(const Device& device, const Shape& shape) = 0;

  // Noise for the step of `x` from `sigma` to `sigma_next`: a path of a Brownian motion remembers where it was.
  virtual Tensor draw_between(const Tensor& x, double sigma, double sigma_next);
};

// Each image of the batch has a generator of its own: it equals the single image of its seed.
class PerImageNoise : public NoiseSource {
 public:
  PerImageNoise(RngKind kind, const std::vector<uint64_t>& seeds);  // one for each image
  Tensor draw(const Device& device, const Shape& shape) override;

 private:
  std::vector<std::unique_ptr<Generator>> generators_;
};

// One generator draws for the whole batch at once, as the original scripts do.
class BatchNoise : public NoiseSource {
 public:
  BatchNoise(RngKind kind, uint64_t seed) : generator_(make_generator(kind, seed)) {}
  Tensor draw(const Device& device, const Shape& shape) override;

 private:
  std::unique_ptr<Generator> generator_;
};

}  // namespace easel
