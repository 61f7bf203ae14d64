#include "easel/pipeline/tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

std::string refusal(const Request& request) {
  try {
    check(request);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

Request of(Task task) {
  Request request;
  request.task = task;
  if (task != Task::txt2img) request.init_image = Image(64, 64);
  if (task == Task::inpaint) request.mask = Mask(64, 64, {255});
  return request;
}

TEST(Tasks, RefuseWhatTheyWouldIgnore) {
  Request request = of(Task::txt2img);
  request.strength = 0.5;
  EXPECT_EQ(refusal(request), "strength is given, but it is for an initial image, not for txt2img");
  request = of(Task::img2img);
  request.mask = Mask(64, 64, {255});
  EXPECT_EQ(refusal(request), "mask is given, but it is for inpainting, not for img2img");
  request = of(Task::inpaint);
  request.hires_scale = 2.0;
  EXPECT_EQ(refusal(request), "hires scale is given, but it is for txt2img's second pass, not for inpaint");
  request = of(Task::img2img);
  request.depth_map = Grey16{.size = {1, 1}, .values = {0}};
  EXPECT_EQ(refusal(request), "depth map is given, but it is for depth2img, not for img2img");
  request = of(Task::txt2img);
  request.hires_steps = 5;
  EXPECT_EQ(refusal(request), "a setting of the second pass is given, but it takes a hires scale");
  request = of(Task::txt2img);
  request.variation_seed = 5;
  EXPECT_EQ(refusal(request), "variation seed is given, but it takes a variation strength");
}

TEST(Tasks, NeedTheirImages) {
  Request request = of(Task::img2img);
  request.init_image.reset();
  EXPECT_EQ(refusal(request), "img2img needs an initial image");
  request = of(Task::inpaint);
  request.mask.reset();
  EXPECT_THAT(refusal(request), HasSubstr("needs a mask"));
  request.margins.top_px = 64;
  EXPECT_NO_THROW(check(request));
  request = of(Task::inpaint);
  request.mask = Mask(32, 64, {255});
  EXPECT_EQ(refusal(request), "the mask has 32x64 pixels, expected 64x64 as the initial image");
}

TEST(Tasks, CheckRanges) {
  Request request = of(Task::img2img);
  for (const double wrong : {-0.1, 1.1}) {
    request.strength = wrong;
    EXPECT_THAT(refusal(request), HasSubstr("strength is"));
  }
  request = of(Task::inpaint);
  request.mask_blur_px = -1;
  EXPECT_THAT(refusal(request), HasSubstr("mask blur is -1"));
  request = of(Task::txt2img);
  request.variation_strength = 2.0;
  EXPECT_THAT(refusal(request), HasSubstr("variation strength is 2"));
  request.variation_strength = 0.5;
  request.noise_order = NoiseOrder::compvis;
  EXPECT_THAT(refusal(request), HasSubstr("batch noise"));
  request = of(Task::txt2img);
  request.hires_scale = 9.0;
  EXPECT_THAT(refusal(request), HasSubstr("hires scale is 9, expected 1 to 8"));
}

}  // namespace
}  // namespace easel::testing
