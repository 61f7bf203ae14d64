// Golden: tests/golden/checkpoints/sd1_full.reference, PyTorch in f32 with the weights of tools/formula_checkpoint.
#include "easel/text_encoder/text_encoder.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

TEST(FullSize, TextEncoderMatchesTheReference) {
  const auto path = full_checkpoint_path();
  if (!path) GTEST_SKIP() << "EASEL_FULL_CHECKPOINT does not name a checkpoint made by tools/formula_checkpoint";
  const Golden golden("checkpoints/sd1_full.reference", cpu_device());
  const Weights weights(Checkpoint::open(*path));
  const TextEncoder encode(weights / "cond_stage_model");
  weights.require_complete();
  const std::vector<int32_t> tokens = golden.integers("tokens");
  const Tensor ids = Tensor::from(cpu_device(), golden.shape("tokens"), std::span<const int32_t>(tokens));
  EXPECT_TENSOR_NEAR(encode(ids), golden["text"], 1e-4);  // the bound
}

}  // namespace
}  // namespace easel::testing
