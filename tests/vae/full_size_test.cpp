// Golden: tests/golden/checkpoints/sd1_full.reference, PyTorch in f32 with the weights of tools/formula_checkpoint.
#include "easel/vae/vae_decoder.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

TEST(FullSize, VaeDecoderMatchesTheReference) {
  const auto path = full_checkpoint_path();
  if (!path) GTEST_SKIP() << "EASEL_FULL_CHECKPOINT does not name a checkpoint made by tools/formula_checkpoint";
  const Golden golden("checkpoints/sd1_full.reference", cpu_device());
  const Weights weights(Checkpoint::open(*path));
  const VaeDecoder decode(weights / "first_stage_model");
  weights.require_complete();
  EXPECT_TENSOR_NEAR(decode(golden.nhwc("vae.z")), golden.nhwc("vae.image"), 1e-4);  // the bound
}

}  // namespace
}  // namespace easel::testing
