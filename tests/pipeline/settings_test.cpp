// Settings read back from images: what easel writes and what other programs do.
#include "easel/pipeline/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/error.h"
#include "easel/image/codec.h"
#include "easel/pipeline/parameters.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ImageSettings read(const std::string& text) { return settings_from(parse_infotext(text)); }

std::string refusal(const std::function<void()>& run, ErrorCode code = ErrorCode::invalid_request) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "nothing was refused";
}

TEST(Settings, AnImageIsDrawnAgainFromItsParameters) {
  Pipeline pipeline({.checkpoint = golden_path("models/sd1-tiny.ckpt"), .threads = 2});
  Request request;
  request.prompt = "a red bird, \"quoted\": été\non two lines";
  request.negative_prompt = "blurry, bad";
  request.width_px = 64;
  request.height_px = 128;
  request.steps = 3;
  request.guidance_scale = 4.25;
  request.sampler = "euler_ancestral";
  request.schedule = "karras";
  request.eta = 0.5;
  request.rng = "gpu";
  request.seed = 18446744073709551615u;
  request.tiling = true;
  const Result first = pipeline.generate(request);
  const ImageSettings settings = read(first.images[0].parameters);
  EXPECT_THAT(settings.warnings, IsEmpty());
  EXPECT_EQ(to_json(settings.request), to_json(first.request));
  EXPECT_EQ(model_warning(settings, pipeline.model()), std::nullopt);
  const Result second = pipeline.generate(settings.request);
  EXPECT_EQ(second.images[0].image, first.images[0].image);
  EXPECT_EQ(second.images[0].parameters, first.images[0].parameters);
}

TEST(Settings, ReadsWhatAutomatic1111Writes) {
  const ImageSettings settings = read(
      "a cat\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.0, Seed: 42, "
      "Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, ENSD: 31337, RNG: NV");
  EXPECT_EQ(settings.request.prompt, "a cat");
  EXPECT_EQ(settings.request.negative_prompt, "dog");
  EXPECT_EQ(settings.request.steps, 20);
  EXPECT_EQ(settings.request.sampler, "DPM++ 2M");
  EXPECT_EQ(settings.request.schedule, "Karras");
  EXPECT_EQ(settings.request.guidance_scale, 7.0);
  EXPECT_EQ(settings.request.seed, 42u);
  EXPECT_EQ(settings.request.width_px, 512);
  EXPECT_EQ(settings.request.height_px, 768);
  EXPECT_EQ(settings.request.rng, "gpu");
  EXPECT_EQ(settings.request.clip_skip, 2);
  EXPECT_EQ(settings.model_name, "v1-5-pruned-emaonly");
  EXPECT_EQ(settings.model_hash, "6ce0161689");
  EXPECT_THAT(settings.warnings,
              ElementsAre("settings of the image that 'easel txt2img' does not have are left out: ENSD: 31337"));
  check(settings.request);
}

TEST(Settings, WhatIsNotSaidIsTheDefaultOfThatProgram) {
  const ImageSettings settings = read("a cat\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, Eta DDIM: 0.3");
  EXPECT_EQ(settings.request.rng, "gpu");
  EXPECT_FALSE(settings.request.schedule || settings.request.seed || settings.request.width_px);
  EXPECT_EQ(settings.request.eta, 0.3);
  EXPECT_FALSE(settings.request.tiling);
}

TEST(Settings, OfTheSecondPassAndOfVariations) {
  Request request;
  request.prompt = "p";
  request.steps = 3;
  request.guidance_scale = 7.5;
  request.sampler = "ddim";
  request.schedule = "ddim";
  request.width_px = request.height_px = 64;
  request.seed = 3;
  request.variation_seed = 8;
  request.variation_strength = 0.25;
  request.hires_scale = 2.0;
  request.hires_upscaler = "lanczos";
  request.hires_steps = 5;
  request.hires_strength = 0.5;
  const ImageSettings settings = read(describe(request, {.prompt = "p", .seed = 3, .variation_seed = 8}, {"m", "h"}));
  EXPECT_THAT(settings.warnings, IsEmpty());
  EXPECT_EQ(to_json(settings.request), to_json(request));
}

TEST(Settings, OfAnInitialImageAreForTasksThatHaveOne) {
  const std::string text =
      "p\nSteps: 3, Seed: 3, Size: 64x64, Task: inpaint, Denoising strength: 0.6, Strength mode: a1111, Mask blur: 2, "
      "Masked content: noise, Inpaint area: Only masked, Masked area padding: 16";
  const ImageSettings inpaint = settings_from(parse_infotext(text), Task::inpaint);
  EXPECT_THAT(inpaint.warnings, IsEmpty());
  EXPECT_EQ(inpaint.request.strength, 0.6);
  EXPECT_EQ(inpaint.request.strength_mode, StrengthMode::a1111);
  EXPECT_EQ(inpaint.request.mask_blur_px, 2);
  EXPECT_EQ(inpaint.request.mask_fill, MaskFill::noise);
  EXPECT_TRUE(inpaint.request.only_masked);
  EXPECT_EQ(inpaint.request.mask_padding_px, 16);

  const ImageSettings txt2img = read(text);
  EXPECT_THAT(
      txt2img.warnings,
      ElementsAre("the image was drawn from another image, by 'easel inpaint'; without that one the result will "
                  "differ",
                  "settings of the image that 'easel txt2img' does not have are left out: Denoising strength: "
                  "0.6, Strength mode: a1111, Mask blur: 2, Masked content: noise, Inpaint area: Only masked, "
                  "Masked area padding: 16"));
  check(txt2img.request);
}

TEST(Settings, NamesThatEaselDoesNotHaveAreLeftOut) {
  const ImageSettings settings = read(
      "p\nSteps: 3, Seed: 3, Size: 64x64, Denoising strength: 0.4, Hires upscale: 2, Hires upscaler: R-ESRGAN 4x+");
  EXPECT_EQ(settings.request.hires_scale, 2.0);
  EXPECT_EQ(settings.request.hires_strength, 0.4);
  EXPECT_THAT(settings.warnings, ElementsAre(HasSubstr("left out: Hires upscaler: R-ESRGAN 4x+")));
}

TEST(Settings, AnOrderOfNoiseThatOneImageDoesNotTellIsWarnedOf) {
  const ImageSettings settings = read("p\nSteps: 2, Seed: 3, Size: 64x64, Batch noise: compvis");
  EXPECT_EQ(settings.request.noise_order, NoiseOrder::compvis);
  ASSERT_THAT(settings.warnings, SizeIs(1));
  EXPECT_THAT(settings.warnings[0], HasSubstr("only if it was the first of its job"));
}

TEST(Settings, RefusesNumbersThatAreNone) {
  EXPECT_THAT(refusal([] { read("p\nSteps: many, Seed: 3, Size: 64x64"); }),
              HasSubstr("its setting Steps: 'many' is no whole number"));
  EXPECT_THAT(refusal([] { read("p\nSteps: 3, Seed: -3, Size: 64x64"); }),
              HasSubstr("its setting Seed: '-3' is no whole number from 0 on"));
  EXPECT_THAT(refusal([] { read("p\nSteps: 3, Seed: 3, CFG scale: high"); }),
              HasSubstr("its setting CFG scale: 'high' is no number"));
}

TEST(Settings, TellsAnotherModel) {
  const ModelDescription in_use{.file = "a.ckpt", .name = "a", .hash = "0123456789", .family = "", .prediction = ""};
  ImageSettings settings;
  EXPECT_EQ(model_warning(settings, in_use), std::nullopt);
  settings.model_name = "a";
  EXPECT_EQ(model_warning(settings, in_use), std::nullopt);
  settings.model_name = "b";
  EXPECT_THAT(model_warning(settings, in_use).value_or(""),
              AllOf(HasSubstr("made with the model b"), HasSubstr("a (0123456789) is in use")));
  settings.model_hash = "0123456789";
  EXPECT_EQ(model_warning(settings, in_use), std::nullopt);  // the same file under another name
  settings.model_name = "a";
  settings.model_hash = "ffffffffff";
  EXPECT_THAT(model_warning(settings, in_use).value_or(""), HasSubstr("a (ffffffffff), but a (0123456789)"));
}

TEST(Settings, ComeFromFilesOfEachFormat) {
  const TemporaryFolder folder;
  for (const char* name : {"a.png", "a.jpg", "a.webp"}) {
    const std::string file = folder / name;
    save_image(file, Image(16, 16),
               {.format = image_format_for(file), .parameters = "p\nSteps: 7, Seed: 3, Size: 64x64"});
    EXPECT_EQ(load_settings(file).request.steps, 7) << name;
    save_image(file, Image(16, 16), {.format = image_format_for(file)});
    EXPECT_THAT(refusal([&] { load_settings(file); }), HasSubstr(file + ": holds no settings of its making"));
  }
  const std::string file = folder / "a.png";
  save_image(file, Image(16, 16), {.parameters = "p\nSteps: x, Seed: 3, Size: 64x64"});
  EXPECT_THAT(refusal([&] { load_settings(file); }), HasSubstr(file + ": its setting Steps"));
  EXPECT_THAT(refusal([&] { load_settings(folder.write("text", "words")); }, ErrorCode::bad_image),
              HasSubstr("is no image"));
  refusal([&] { load_settings(folder / "none.png"); }, ErrorCode::not_found);
}

}  // namespace
}  // namespace easel::testing
