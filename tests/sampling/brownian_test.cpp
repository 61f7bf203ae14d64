// Golden: NumPy's own reference data for SeedSequence (numpy/random/tests/test_seed_sequence.py).
#include "easel/sampling/brownian.h"

#include <gtest/gtest.h>

#include <cmath>

#include "easel/backend/devices.h"

namespace easel {
namespace {

using Words = std::vector<uint32_t>;

TEST(SeedSequence, MatchesNumpy) {
  EXPECT_EQ(seed_words({3735928559, 195939070, 229505742, 305419896}, {}, 4, 4),
            (Words{3914649087, 576849849, 3593928901, 2229911004}));
  EXPECT_EQ(seed_words({2766103236, 2883057919, 4029656435, 862374500}, {}, 4, 4),
            (Words{296367413, 4262059219, 13109864, 3283683422}));
}

TEST(BrownianTree, PartsAddUpToTheWholeWhateverWasAsked) {
  const BrownianTree tree(RngKind::cpu, 5, 0.029167, 14.614642, 64);
  const std::vector<float> whole = tree.increment(0.3, 7.5);
  const std::vector<float> low = tree.increment(0.3, 2.123456);
  const std::vector<float> high = tree.increment(2.123456, 7.5);
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(low[i] + high[i], whole[i], 1e-5);
  EXPECT_EQ(tree.increment(0.3, 7.5), whole);
  EXPECT_EQ(tree.increment(3.0, 3.0), std::vector<float>(64, 0.0f));
}

TEST(BrownianTree, IncrementsHaveTheVarianceOfTheirTime) {
  const BrownianTree tree(RngKind::cpu, 1, 0.0, 10.0, 4096);
  for (const auto& [from, to] : std::vector<std::pair<double, double>>{{0.0, 10.0}, {1.0, 1.5}, {9.0, 9.001}}) {
    double sum = 0.0, squares = 0.0;
    for (const float value : tree.increment(from, to)) {
      sum += value;
      squares += static_cast<double>(value) * value;
    }
    const double variance = to - from;
    EXPECT_NEAR(sum / 4096, 0.0, 4.0 * std::sqrt(variance / 4096));
    EXPECT_NEAR(squares / 4096, variance, 4.0 * variance * std::sqrt(2.0 / 4096));
  }
}

TEST(BrownianNoise, ImageOfABatchEqualsTheSingleImageOfItsSeed) {
  const auto device = open_device({.threads = 1});
  const Plan plan = make_plan(Convention::k_diffusion, make_levels(find_schedule("karras"), NoiseSchedule(), 5));
  PerImageNoise white_batch(RngKind::cpu, {3, 4}), white_single(RngKind::cpu, {4});
  BrownianNoise batch(white_batch, RngKind::cpu, {3, 4}, plan), single(white_single, RngKind::cpu, {4}, plan);
  const Tensor x = batch.draw(*device, {2, 8, 8, 4});
  const Tensor noise = batch.draw_between(x, 9.0, 5.0);
  EXPECT_EQ(noise.slice(1, 2).values(), single.draw_between(x.slice(1, 2), 9.0, 5.0).values());
  double squares = 0.0;
  for (const float value : noise.values()) squares += static_cast<double>(value) * value;
  EXPECT_NEAR(squares / 512, 1.0, 4.0 * std::sqrt(2.0 / 512));
}

}  // namespace
}  // namespace easel
