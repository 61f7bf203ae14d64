#include "easel/pipeline/depth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "easel/base/error.h"
#include "easel/image/codec.h"
#include "easel/pipeline/depth_estimator.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::filesystem::path depth_file() { return golden_path("models/sd2-depth-midas-tiny.safetensors"); }

Image scene() { return load_image(golden_path("image/scene_100x70.png")).image; }

std::string fault(ErrorCode code, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(DepthEstimator, MapHasTheSizeAndTheRange) {
  DepthEstimator estimator({.checkpoint = depth_file(), .threads = 2});
  const DepthEstimate estimate = estimator.estimate(scene());
  EXPECT_EQ(estimate.map.size, (Size{100, 70}));
  EXPECT_EQ(estimate.network_size, (Size{384, 256}));
  const auto [farthest, nearest] = std::minmax_element(estimate.map.values.begin(), estimate.map.values.end());
  EXPECT_EQ(*farthest, 0);
  EXPECT_EQ(*nearest, 65535);
  EXPECT_LT(estimate.farthest, estimate.nearest);
  EXPECT_GT(estimate.peak_tensor_bytes, 0U);
}

TEST(DepthEstimator, LowMemoryChangesNothing) {
  const auto map = [](bool low_memory) {
    DepthEstimator estimator({.checkpoint = depth_file(), .threads = 2, .low_memory = low_memory});
    return estimator.estimate(scene()).map.values;
  };
  EXPECT_EQ(map(true), map(false));
}

TEST(DepthEstimator, ReadsAFileWithoutPrefix) {
  const auto original = Checkpoint::open(depth_file());
  std::vector<WeightData> tensors(original->tensors().begin(), original->tensors().end());
  for (WeightData& tensor : tensors) tensor.name.erase(0, std::string("depth_model.model.").size());
  const TemporaryFolder folder;
  write_safetensors(folder / "dpt_hybrid.safetensors", tensors);
  DepthEstimator bare({.checkpoint = folder / "dpt_hybrid.safetensors", .threads = 2});
  DepthEstimator prefixed({.checkpoint = depth_file(), .threads = 2});
  EXPECT_EQ(bare.estimate(scene()).map.values, prefixed.estimate(scene()).map.values);
}

TEST(DepthEstimator, SaysWhichKindOfCheckpointLacksADepthNetwork) {
  const auto open = [](const std::string& file) {
    return fault(ErrorCode::bad_checkpoint, [&] { DepthEstimator({.checkpoint = golden_path("models/" + file)}); });
  };
  EXPECT_THAT(open("sd1-tiny.ckpt"),
              AllOf(HasSubstr("sd1-tiny.ckpt is of the family SD 1.x and holds no depth network of"),
                    HasSubstr("SD 2 depth checkpoint")));
  EXPECT_THAT(open("vae-bf16.safetensors"), HasSubstr("is a VAE alone and holds no depth network"));
}

TEST(DepthEstimator, NamesWhatADamagedFileLacks) {
  const auto original = Checkpoint::open(depth_file());
  std::vector<WeightData> tensors(original->tensors().begin(), original->tensors().end());
  std::erase_if(tensors, [](const WeightData& tensor) { return tensor.name.ends_with("refinenet1.out_conv.weight"); });
  const TemporaryFolder folder;
  write_safetensors(folder / "cut.safetensors", tensors);
  EXPECT_THAT(fault(ErrorCode::bad_checkpoint, [&] { DepthEstimator({.checkpoint = folder / "cut.safetensors"}); }),
              AllOf(HasSubstr("cut.safetensors"), HasSubstr("1 tensor is missing"), HasSubstr("out_conv.weight")));
}

TEST(DepthEstimator, RefusesNumbersThatAreNotFinite) {
  const auto original = Checkpoint::open(depth_file());
  std::vector<WeightData> tensors(original->tensors().begin(), original->tensors().end());
  const std::vector<std::byte> ones(32 * 2, std::byte{0xFF});  // F16: not a number
  for (WeightData& tensor : tensors) {
    if (tensor.name.ends_with("backbone.stem.norm.bias")) tensor.bytes = ones;
  }
  const TemporaryFolder folder;
  write_safetensors(folder / "nan.safetensors", tensors);
  DepthEstimator estimator({.checkpoint = folder / "nan.safetensors", .threads = 2});
  EXPECT_THAT(fault(ErrorCode::bad_checkpoint, [&] { estimator.estimate(scene()); }), HasSubstr("not finite"));
}

TEST(DepthEstimator, RefusesBeforeItRunsOutOfMemory) {
  DepthEstimator estimator({.checkpoint = depth_file(), .threads = 2, .memory_limit_bytes = 40'000'000});
  EXPECT_THAT(fault(ErrorCode::out_of_memory, [&] { estimator.estimate(scene()); }),
              AllOf(HasSubstr("picture of 100x70 pixels needs at least"), HasSubstr("but 40 MB can be had"),
                    HasSubstr("a smaller or less oblong picture")));
}

TEST(DepthEstimator, IsCancelled) {
  DepthEstimator estimator({.checkpoint = depth_file(), .threads = 2});
  const CancelToken cancel;
  cancel.cancel();
  fault(ErrorCode::cancelled, [&] { estimator.estimate(scene(), cancel); });
  EXPECT_EQ(estimator.estimate(scene()).map.size, (Size{100, 70}));  // and works on
}

TEST(DepthEstimator, KeepsToItsPlan) {
  const auto estimated = [](Size size, uint64_t limit) {
    Image picture(size.width_px, size.height_px);
    DepthEstimator estimator({.checkpoint = depth_file(), .threads = 2, .memory_limit_bytes = limit});
    return estimator.estimate(picture);
  };
  for (const Size size : {Size{100, 70}, Size{70, 500}, Size{2400, 1600}}) {
    const DepthEstimate freely = estimated(size, std::numeric_limits<uint64_t>::max());
    EXPECT_LT(freely.peak_tensor_bytes, freely.planned_bytes);
    const DepthEstimate tightly = estimated(size, freely.planned_bytes - 1);
    EXPECT_LT(tightly.planned_bytes, freely.planned_bytes);
    EXPECT_EQ(tightly.map.values, freely.map.values);
  }
}

TEST(DepthForLatent, OfAPictureReachesFromFarToNear) {
  const auto checkpoint = Checkpoint::open(depth_file());
  const Weights weights(checkpoint);
  const DepthNetwork network(depth_weights(weights, *checkpoint));
  const Tensor depth = depth_for_latent(network, scene(), cpu_device(), 8, 12);
  ASSERT_EQ(depth.shape(), Shape({1, 8, 12, 1}));
  const std::vector<float> values = depth.values();
  const auto [farthest, nearest] = std::minmax_element(values.begin(), values.end());
  EXPECT_EQ(*farthest, -1.0f);
  EXPECT_EQ(*nearest, 1.0f);
}

// A person's own map: brighter is nearer, in 8 bits as in 16.
TEST(DepthForLatent, OfAMapIsTheMap) {
  const Grey16 map{.size = {2, 1}, .values = {10000, 20000}};
  EXPECT_EQ(depth_for_latent(map, cpu_device(), 1, 2).values(), (std::vector<float>{-1.0f, 1.0f}));
}

TEST(FindDepthModel, LooksIntoTheModelsFolder) {
  const TemporaryFolder folder;
  ::setenv("EASEL_MODELS", folder.path().c_str(), 1);
  folder.write("a_broken.safetensors", "no checkpoint");
  const std::string none = fault(ErrorCode::not_found, [] { find_depth_model(std::nullopt); });
  EXPECT_THAT(none, AllOf(HasSubstr("no model with a depth network"), HasSubstr(folder.path().string())));
  std::filesystem::copy(golden_path("models/vae-bf16.safetensors"), folder / "b_vae.safetensors");
  std::filesystem::copy(depth_file(), folder / "c_depth.safetensors");
  EXPECT_EQ(find_depth_model(std::nullopt), folder / "c_depth.safetensors");
  EXPECT_EQ(find_depth_model("b_vae"),
            folder / "b_vae.safetensors");  // named: the reason why not comes when it is opened
  ::unsetenv("EASEL_MODELS");
}

}  // namespace
}  // namespace easel::testing
