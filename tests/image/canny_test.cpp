// Edges against OpenCV's. Golden: tools/goldens/canny.py.
#include "easel/image/canny.h"

#include <gtest/gtest.h>

#include "easel/image/codec.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

Image load(const std::string& name) { return load_image(golden_path("image/" + name)).image; }

TEST(Canny, FindsTheSamePixelsAsOpenCv) {
  const Image scene = load("canny_scene.png");
  for (const auto& [low, high] : {std::pair{100, 200}, {20, 60}, {0, 0}, {300, 900}}) {
    const Mask expected = grey_from(load(fmt::format("canny_scene_{}_{}.png", low, high)));
    EXPECT_EQ(canny(scene, {.low = low, .high = high}), expected) << low << " " << high;
  }
}

TEST(Canny, APlainPictureHasNoEdges) {
  EXPECT_EQ(canny(Image(5, 4, {10, 20, 30})), Mask(5, 4));
  EXPECT_EQ(canny(Image(1, 1)), Mask(1, 1));
}

}  // namespace
}  // namespace easel::testing
