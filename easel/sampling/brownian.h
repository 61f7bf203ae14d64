// Noise of the SDE samplers: increments of one Brownian motion, whatever steps it is asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "easel/sampling/sampler.h"

namespace easel {

// numpy.random.SeedSequence: 32-bit words that depend on all of `entropy` and `spawn_key`.
std::vector<uint32_t> seed_words(std::vector<uint32_t> entropy, const std::vector<uint64_t>& spawn_key,
                                 size_t pool_size, size_t count);

// torchsde.BrownianTree (halfway tree, tolerance 1e-6, pool of 24): the value between two times depends on the seed
// alone, not on what was asked before.
class BrownianTree {
 public:
  // `count` motions over [t_begin, t_end], all 0 at t_begin
  BrownianTree(RngKind kind, uint64_t seed, double t_begin, double t_end, int64_t count);

  // w(to) - w(from), from <= to; times outside the range are moved to its ends
  std::vector<float> increment(double from, double to) const;

 private:
  struct Node;
  std::vector<float> randn(uint32_t seed) const;
  void add(const Node& node, double from, double to, std::vector<float>& sum) const;

  RngKind kind_;
  uint64_t seed_;
  double t_begin_, t_end_;
  int64_t count_;
};

// BrownianTreeNoiseSampler of k-diffusion: sigma is the time, each image has a tree of its own.
class BrownianNoise : public NoiseSource {
 public:
  // For the sigmas of `plan`. `white` draws everything that is not between two of them; it must outlive this.
  BrownianNoise(NoiseSource& white, RngKind kind, std::vector<uint64_t> seeds, const Plan& plan);

  Tensor draw(const Device& device, const Shape& shape) override { return white_.draw(device, shape); }
  Tensor draw_between(const Tensor& x, double sigma, double sigma_next) override;

 private:
  NoiseSource& white_;
  RngKind kind_;
  std::vector<uint64_t> seeds_;  // of the images
  double sigma_min_, sigma_max_;
};

}  // namespace easel
