// Golden: tests/golden/models, MiDaS' own preprocessing with OpenCV, and the depth conditioning of Stability-AI's
// stablediffusion in PyTorch.
#include "easel/depth/depth_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "easel/base/file.h"
#include "easel/tensor/layout.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

TEST(DepthInputSize, EqualsTheReference) {
  const auto path = golden_path("models/sd2-depth-midas-tiny.reference.json");
  const auto rows = nlohmann::json::parse(read_text_file(path, 1 << 20))["preprocess_sizes"]["rows"];
  ASSERT_EQ(rows.size(), 8U);
  for (const auto& row : rows) {
    const DepthInputSize size = depth_input_size(row[1], row[0]);
    EXPECT_EQ(size.width_px, row[2]) << row;
    EXPECT_EQ(size.height_px, row[3]) << row;
  }
}

TEST(DepthInputSize, NoSideVanishes) {
  const DepthInputSize size = depth_input_size(100, 8000);
  EXPECT_EQ(size.height_px, 32);
  EXPECT_EQ(size.width_px, 384);
}

TEST(DepthInput, EqualsTheReference) {
  const Golden golden("models/sd2-depth-midas-tiny.reference", cpu_device());
  const Shape size = golden.shape("pre.image_u8");
  std::vector<float> values;
  for (const uint8_t byte : golden.image_bytes("pre.image_u8")) {
    values.push_back(2.0f * (static_cast<float>(byte) / 255.0f) - 1.0f);
  }
  const Tensor image = Tensor::from(cpu_device(), {1, size[0], size[1], size[2]}, std::span<const float>(values));
  const Tensor recorded = golden["pre.out"];
  const Tensor expected = recorded.reshape({1, recorded.dim(0), recorded.dim(1), recorded.dim(2)});
  const Tensor actual = depth_input(image, 96);
  // Sums of 16 products, of a picture in [0, 1] that is doubled afterwards.
  EXPECT_TENSOR_NEAR(to_nchw(actual), expected.values(), 2.0 * tolerance(DType::f32, 16));
}

TEST(DepthChannel, EqualsTheReference) {
  const Golden golden("models/sd2-depth-tiny.reference", cpu_device());
  const Tensor expected = golden.nhwc("depth.c_concat");
  const Tensor actual = depth_channel(golden.nhwc("depth.raw"), expected.dim(1), expected.dim(2));
  // Sums of 16 products, stretched.
  EXPECT_TENSOR_NEAR(actual, expected, 4.0 * tolerance(DType::f32, 16));
}

TEST(DepthChannel, ReachesFromOneEndToTheOther) {
  const std::vector<float> depth{3, 4, 5, 7};
  const Tensor out = depth_channel(Tensor::from(cpu_device(), {1, 2, 2, 1}, std::span<const float>(depth)), 2, 2);
  EXPECT_EQ(out.values(), (std::vector<float>{-1.0f, -0.5f, 0.0f, 1.0f}));
}

TEST(DepthChannel, OfAMapThatIsTheSameEverywhereIsZero) {
  const Tensor out = depth_channel(Tensor::zeros(cpu_device(), {1, 9, 7, 1}), 2, 3);
  EXPECT_EQ(out.values(), std::vector<float>(6, 0.0f));
}

}  // namespace
}  // namespace easel::testing
