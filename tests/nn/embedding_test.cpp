// Golden: tests/golden/models/schedule, `timestep_embedding` of CompVis' implementation in PyTorch.
#include "easel/nn/embedding.h"

#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

TEST(TimestepEmbedding, MatchesTheReference) {
  const Golden golden("models/schedule", cpu_device());
  const std::vector<float> timesteps = {0, 1, 20, 37, 500, 981, 999};
  for (const std::string& name : golden.names("timestep_embedding.")) {
    const Tensor expected = golden[name];
    // A frequency rounded the other way moves the phase of timestep 999 by half a unit of its last place: 2^-15.
    EXPECT_TENSOR_NEAR(timestep_embedding(cpu_device(), timesteps, expected.dim(1)), expected, 0x1p-14) << name;
  }
}

TEST(TimestepEmbedding, CosinesComeFirstAndTimestepsMayBeFractional) {
  const std::vector<float> timesteps = {0.0f, 0.5f};
  const Tensor out = timestep_embedding(cpu_device(), timesteps, 2);
  const std::vector<float> expected = {1.0f, 0.0f, 0.87758256f, 0.47942554f};
  EXPECT_TENSOR_NEAR(out, Tensor::from(cpu_device(), {2, 2}, std::span<const float>(expected)),
                     tolerance(DType::f32, 1));
}

}  // namespace
}  // namespace easel::testing
