#include "server/a1111/image_fields.h"

#include <algorithm>
#include <array>

#include "easel/image/codec.h"
#include "easel/image/masking.h"
#include "easel/image/resize.h"
#include "server/errors.h"
#include "server/http/image_text.h"

namespace easel::server {
namespace {

constexpr std::array kFills = {MaskFill::blur, MaskFill::original, MaskFill::noise, MaskFill::zero};
constexpr std::array kResizeModes = {FitMode::stretch, FitMode::crop, FitMode::pad};
constexpr int64_t kLatentResize = 3;       // of A1111's resize modes
constexpr uint8_t kOpaqueThreshold = 128;  // A1111 takes what is more opaque for masked

// What is transparent is white, as A1111 fills it.
Image on_white(const DecodedImage& file) {
  if (!file.alpha) return file.image;
  const Image white(file.image.width_px(), file.image.height_px(), {255, 255, 255});
  return composite(white, file.image, *file.alpha);
}

bool is_transparent_somewhere(const Mask& alpha) {
  return std::any_of(alpha.bytes().begin(), alpha.bytes().end(), [](uint8_t value) { return value < 255; });
}

// The alpha channel if it says anything, else the brightness.
Mask mask_from(const DecodedImage& file) {
  if (!file.alpha || !is_transparent_somewhere(*file.alpha)) return grey_from(file.image);
  Mask mask = *file.alpha;
  for (uint8_t& value : mask.bytes()) value = value > kOpaqueThreshold ? 255 : 0;
  return mask;
}

Image read_init_image(Fields& fields) {
  const std::vector<std::string> images = fields.texts("init_images");
  if (images.size() != 1) {
    throw FieldError("init_images", "value_error",
                     fmt::format("\"init_images\" holds {} images, expected 1", images.size()));
  }
  return on_white(decode_image(image_bytes_from_text("init_images", images[0]), "init_images"));
}

int64_t read_blur(Fields& fields, std::vector<std::string>& warnings) {
  const Range<int64_t> range{0, kMaxMaskBlurPx};
  const auto both = fields.integer("mask_blur", range);
  const auto x = fields.integer("mask_blur_x", range), y = fields.integer("mask_blur_y", range);
  if (!both && x && y && *x != *y) {
    warnings.push_back("\"mask_blur_y\" differs from \"mask_blur_x\" and changed nothing");
  }
  constexpr int64_t kDefault = 4;
  return both ? *both : x.value_or(y.value_or(kDefault));
}

void read_mask(Fields& fields, const std::string& text, Request& request, std::vector<std::string>& warnings) {
  const DecodedImage file = decode_image(image_bytes_from_text("mask", text), "mask");
  request.task = Task::inpaint;
  request.mask = mask_from(file);
  if (request.mask->size() != request.init_image->size()) {
    request.mask = resize(*request.mask, request.init_image->size(), ResizeFilter::lanczos);
  }
  request.mask_blur_px = read_blur(fields, warnings);
  const auto fill = fields.integer("inpainting_fill", {0, static_cast<int64_t>(kFills.size()) - 1}).value_or(0);
  request.mask_fill = kFills[static_cast<size_t>(fill)];
  request.invert_mask = fields.integer("inpainting_mask_invert", {0, 1}).value_or(0) == 1;
  request.only_masked = fields.truth("inpaint_full_res").value_or(true);
  const auto padding = fields.integer("inpaint_full_res_padding", {0, kMaxSidePx}).value_or(0);
  if (request.only_masked) request.mask_padding_px = padding;
}

}  // namespace

void read_image_fields(Fields& fields, Request& request, std::vector<std::string>& warnings) {
  request.task = Task::img2img;
  request.init_image = read_init_image(fields);
  request.strength = fields.number("denoising_strength", {0.0, 1.0}).value_or(0.75);
  request.strength_mode = StrengthMode::a1111;
  if (const auto mask = fields.text("mask"); mask && !mask->empty()) read_mask(fields, *mask, request, warnings);
  const int64_t mode = fields.integer("resize_mode", {0, kLatentResize}).value_or(0);
  if (mode == kLatentResize) warnings.push_back("\"resize_mode\" 3 (latent) is not available; the image was stretched");
  if (!request.only_masked)
    request.resize_mode = mode == kLatentResize ? FitMode::stretch : kResizeModes[static_cast<size_t>(mode)];
}

}  // namespace easel::server
