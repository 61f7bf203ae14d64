// Golden: tests/golden/checkpoints/sd1_full.reference, PyTorch in f32 with the weights of tools/formula_checkpoint.
#include "easel/unet/unet.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

TEST(FullSize, UNetMatchesTheReference) {
  const auto path = full_checkpoint_path();
  if (!path) GTEST_SKIP() << "EASEL_FULL_CHECKPOINT does not name a checkpoint made by tools/formula_checkpoint";
  const Golden golden("checkpoints/sd1_full.reference", cpu_device());
  const Weights weights(Checkpoint::open(*path));
  const UNet unet(weights / "model.diffusion_model");
  weights.require_complete();
  const Tensor out =
      unet(golden.nhwc("unet.a.x"), golden.values("unet.a.t"), unet.condition(golden["text"].slice(0, 1)));
  EXPECT_TENSOR_NEAR(out, golden.nhwc("unet.a.out"),
                     1e-4);  // the bound; below the rounding that depth explains
}

}  // namespace
}  // namespace easel::testing
