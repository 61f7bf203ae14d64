// Golden: tests/golden/image/img2img_tensor.safetensors, Pillow 9.4 and NumPy.
#include "easel/image/tensor_image.h"

#include <gmock/gmock.h>

#include <limits>

#include "easel/image/resize.h"
#include "golden_image.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"

namespace easel {
namespace {

using namespace testing;

TEST(TensorImage, InitImageEqualsTheScripts) {
  const Golden golden("image/img2img_tensor", cpu_device());
  const Image scene = golden_image("image/scene_100x70.png");
  for (const auto& [name, width_px] : {std::pair("img2img_32", 96), std::pair("img2img_64", 64)}) {
    const Tensor tensor = tensor_from(resize(scene, {width_px, 64}, ResizeFilter::lanczos), cpu_device());
    const Tensor expected = golden.nhwc(name);
    EXPECT_EQ(tensor.shape(), expected.shape());
    EXPECT_EQ(tensor.values(), expected.values());  // exactly
  }
}

TEST(TensorImage, BytesAreTruncated) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values{-1.0f,  1.0f,    0.0f,          -5.0f, 5.0f,  kNan,
                                  0.999f, -0.999f, 1.0f / 255.0f, 0.5f,  -0.5f, 0.25f};
  const std::vector<Image> images = images_from(Tensor::from(cpu_device(), {2, 1, 2, 3}, values));
  ASSERT_EQ(images.size(), 2U);
  EXPECT_THAT(images[0].bytes(), ::testing::ElementsAre(0, 255, 127, 0, 255, 0));
  EXPECT_THAT(images[1].bytes(), ::testing::ElementsAre(254, 0, 128, 191, 63, 159));
}

TEST(TensorImage, ThereAndBackIsWithinOne) {
  const std::vector<Image> images{sample_image(64, 32), Image(64, 32, {255, 0, 127})};
  const std::vector<Image> back = images_from(tensor_from(images, cpu_device()));
  ASSERT_EQ(back.size(), 2U);
  for (size_t i = 0; i < 2; ++i) EXPECT_LE(max_difference(back[i], images[i]), 1);  // truncation
}

TEST(TensorImage, MasksAreFractions) {
  Mask mask(2, 1);
  *mask.pixel(1, 0) = 255;
  const Tensor tensor = tensor_from(mask, cpu_device());
  EXPECT_EQ(tensor.shape(), (Shape{1, 1, 2, 1}));
  EXPECT_EQ(tensor.values(), (std::vector<float>{0.0f, 1.0f}));
}

TEST(TensorImage, Grey16IsStretchedToItsRange) {
  const std::vector<float> depth{-2.0f, 0.0f, 6.0f, 1.0f};
  const Grey16 grey = grey16_from(Tensor::from(cpu_device(), {1, 1, 4, 1}, std::span<const float>(depth)));
  EXPECT_EQ(grey.size, (Size{4, 1}));
  EXPECT_THAT(grey.values, ::testing::ElementsAre(0, 16384, 65535, 24576));  // 65535 / 4 = 16383.75
  const Tensor back = tensor_from(grey, cpu_device());
  EXPECT_EQ(back.shape(), (Shape{1, 1, 4, 1}));
  EXPECT_EQ(back.values(), (std::vector<float>{0.0f, 16384.0f / 65535.0f, 1.0f, 24576.0f / 65535.0f}));
  const Grey16 flat = grey16_from(Tensor::zeros(cpu_device(), {1, 2, 1, 1}));
  EXPECT_THAT(flat.values, ::testing::ElementsAre(0, 0));
}

}  // namespace
}  // namespace easel
