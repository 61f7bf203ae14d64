// Golden: tests/golden/models/rng.* (PyTorch 1.13, NumPy) and tests/golden/philox.
#include "easel/sampling/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/sampling/noise.h"
#include "tests/sampling/golden_data.h"

namespace easel {
namespace {

using testing::golden_json;
using testing::GoldenTensors;

// rng.json: the vectorised code of PyTorch approximates sin, cos and log to about 2e-6.
constexpr double kTorchTolerance = 4e-6;
constexpr double kGpuTolerance = 5e-6;
constexpr uint64_t kSeeds[] = {0, 1, 42, 1234567890123};

template <typename T>
void expect_near(const std::vector<T>& actual, const std::vector<double>& expected, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(actual[i]), expected[i], tolerance) << what << " element " << i;
  }
}

class Random : public ::testing::Test {
 protected:
  GoldenTensors golden_{"models/rng.safetensors"};
};

TEST_F(Random, TorchCpuNormalMatchesEverySize) {
  for (const uint64_t seed : kSeeds) {
    for (const int64_t count : {1, 5, 15, 16, 17, 64, 1000, 16384}) {
      const std::string key = "randn." + std::to_string(seed) + "." + std::to_string(count);
      expect_near(TorchCpuGenerator(seed).randn(count), golden_.values(key), kTorchTolerance, key);
    }
  }
}

TEST_F(Random, TorchCpuUniformIsExact) {
  for (const uint64_t seed : kSeeds) {
    for (const int64_t count : {1, 5, 15, 16, 17, 64, 1000, 16384}) {
      const std::string key = "rand." + std::to_string(seed) + "." + std::to_string(count);
      expect_near(TorchCpuGenerator(seed).rand(count), golden_.values(key), 0.0, key);
    }
  }
}

TEST_F(Random, TorchCpuSuccessiveCallsShareOnePairOfShortCalls) {
  for (const uint64_t seed : kSeeds) {
    for (const auto& [first, second] :
         std::vector<std::pair<int, int>>{{5, 5}, {1, 1}, {16, 16}, {15, 17}, {17, 64}, {64, 5}, {3, 16}}) {
      const std::string key =
          "randn2." + std::to_string(seed) + "." + std::to_string(first) + "+" + std::to_string(second);
      TorchCpuGenerator generator(seed);
      expect_near(generator.randn(first), golden_.values(key + ".first"), kTorchTolerance, key + ".first");
      expect_near(generator.randn(second), golden_.values(key + ".second"), kTorchTolerance, key + ".second");
    }
    const std::string key = "rand_then_randn." + std::to_string(seed);
    TorchCpuGenerator generator(seed);
    expect_near(generator.rand(7), golden_.values(key + ".rand7"), 0.0, key);
    expect_near(generator.randn(16), golden_.values(key + ".randn16"), kTorchTolerance, key);
    expect_near(generator.randn(4), golden_.values(key + ".randn4"), kTorchTolerance, key);
  }
}

TEST_F(Random, TorchCpuIntegersAreExact) {
  for (const uint64_t seed : kSeeds) {
    const std::string key = "randint." + std::to_string(seed) + ".0_350.20";
    expect_near(TorchCpuGenerator(seed).randint(0, 350, 20), golden_.values(key), 0.0, key);
  }
}

TEST_F(Random, NumpyMatches) {
  for (const uint64_t seed : {0, 1, 42}) {
    for (const int64_t count : {1, 2, 5, 1000}) {
      const std::string key = "numpy_randn." + std::to_string(seed) + "." + std::to_string(count);
      NumpyGenerator generator(seed);
      std::vector<double> values;
      for (int64_t i = 0; i < count; ++i) values.push_back(generator.normal());
      expect_near(values, golden_.values(key), 1e-14, key);
    }
    NumpyGenerator generator(seed);
    std::vector<double> values;
    for (int i = 0; i < 10; ++i) values.push_back(generator.rand());
    expect_near(values, golden_.values("numpy_rand." + std::to_string(seed) + ".10"), 0.0, "numpy_rand");
  }
}

TEST(GpuRandom, MatchesTheRecordedCalls) {
  const auto golden = golden_json("philox/randn.json");
  for (const auto& entry : golden["cases"]) {
    TorchGpuGenerator generator(entry["seed"].get<uint64_t>());
    for (const auto& call : entry["calls"]) {
      const std::vector<float> values = generator.randn(4 * 64 * 64);
      const auto first = call["first64"].get<std::vector<double>>();
      expect_near(std::vector(values.begin(), values.begin() + static_cast<int64_t>(first.size())), first,
                  kGpuTolerance, "first values");
      const auto last = call["last4"].get<std::vector<double>>();
      expect_near(std::vector(values.end() - static_cast<int64_t>(last.size()), values.end()), last, kGpuTolerance,
                  "last values");
    }
  }
}

TEST(GpuRandom, EachCallHasItsOwnCounterWhateverItsSize) {
  const auto golden = golden_json("philox/randn.json");
  for (const auto& entry : golden["successive"]) {
    TorchGpuGenerator generator(entry["seed"].get<uint64_t>());
    for (const auto& expected : entry["values"].get<std::vector<std::vector<double>>>()) {
      expect_near(generator.randn(static_cast<int64_t>(expected.size())), expected, kGpuTolerance, "successive");
    }
  }
}

TEST(GpuRandom, MatchesWholeTensors) {
  const GoldenTensors golden("philox/randn_full.safetensors");
  expect_near(TorchGpuGenerator(42).randn(4 * 64 * 64), golden.values("seed42.call0"), kGpuTolerance, "seed 42");
  TorchGpuGenerator second(1234567890);
  second.randn(1);
  expect_near(second.randn(4 * 64 * 64), golden.values("seed1234567890.call1"), kGpuTolerance, "second call");
}

TEST(RngKind, UnknownNameIsAnError) {
  EXPECT_EQ(parse_rng_kind("gpu"), RngKind::gpu);
  try {
    parse_rng_kind("dice");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    EXPECT_STREQ(error.what(), "unknown random number generator 'dice'; choose cpu, gpu or numpy");
  }
}

TEST(Noise, ImageOfABatchEqualsTheSingleImageOfItsSeed) {
  const auto device = open_device({.threads = 1});
  PerImageNoise batch(RngKind::cpu, {7, 8, 9});
  PerImageNoise single(RngKind::cpu, {9});
  for (int call = 0; call < 2; ++call) {
    const Tensor all = batch.draw(*device, {3, 8, 6, 4});
    EXPECT_EQ(all.slice(2, 3).values(), single.draw(*device, {1, 8, 6, 4}).values());
  }
}

// The original scripts draw [n, c, h, w] in one call: sd1-tiny's batch of two, seed 45.
TEST(Noise, BatchNoiseMatchesTheScripts) {
  const auto device = open_device({.threads = 1});
  const GoldenTensors golden("models/sd1-tiny.reference.safetensors");
  BatchNoise noise(RngKind::cpu, 45);
  expect_near(to_nchw(noise.draw(*device, {2, 16, 16, 4})), golden.values("txt2img.ddim_batch2.start"), kTorchTolerance,
              "start noise");
}

// Start noise first, then one draw a step from the same stream.
TEST(Noise, StepNoiseFollowsTheStartNoise) {
  const auto device = open_device({.threads = 1});
  const GoldenTensors golden("models/sd1-tiny.reference.safetensors");
  PerImageNoise noise(RngKind::cpu, {43});
  const Tensor start = noise.draw(*device, {1, 16, 16, 4});
  expect_near(to_nchw(start), golden.values("txt2img.ddim_eta1.start"), kTorchTolerance, "start noise");
  std::vector<float> steps;
  for (int step = 0; step < 10; ++step) {
    const std::vector<float> values = to_nchw(noise.draw_between(start, 1.0, 0.5));
    steps.insert(steps.end(), values.begin(), values.end());
  }
  expect_near(steps, golden.values("txt2img.ddim_eta1.noise"), kTorchTolerance, "step noise");
}

}  // namespace
}  // namespace easel
