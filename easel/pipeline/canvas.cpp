#include "easel/pipeline/canvas.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/image/blur.h"
#include "easel/image/masking.h"

namespace easel {
namespace {

constexpr int64_t kDefaultMaskPaddingPx = 32;
constexpr int64_t kDefaultMaskBlurPx = 4;

Size grown_size(const Image& image, const Margins& margins) {
  return {margins.left_px + image.width_px() + margins.right_px,
          margins.top_px + image.height_px() + margins.bottom_px};
}

int64_t rounded_down(int64_t side_px) { return std::max(kSizeMultiplePx, side_px / kSizeMultiplePx * kSizeMultiplePx); }

int64_t rounded_up(int64_t side_px) { return rounded_down(side_px + kSizeMultiplePx - 1); }

// The request's mask on the grown canvas, whose margins are selected. Without one the margins alone are.
Mask grown_mask(const Request& request, Size size) {
  const Image& image = *request.init_image;
  Mask inner(image.width_px(), image.height_px());
  if (request.mask) inner = request.invert_mask ? inverted(*request.mask) : *request.mask;
  Mask mask(size.width_px, size.height_px, {255});
  paste_inplace(mask, inner, request.margins.left_px, request.margins.top_px);
  return mask;
}

}  // namespace

Size canvas_size(const Request& request) {
  const Size grown = grown_size(*request.init_image, request.margins);
  if (request.task == Task::inpaint && !request.only_masked) {
    return {rounded_up(grown.width_px), rounded_up(grown.height_px)};
  }
  return {rounded_down(grown.width_px), rounded_down(grown.height_px)};
}

Canvas::Canvas(const Request& request)
    : original_(*request.init_image), composite_(request.task == Task::inpaint && request.composite) {
  const Size size{*request.width_px, *request.height_px};
  if (request.task == Task::inpaint) grow(request);
  choose_part(request, size);
  image_ = fit(crop(original_, part_), size, fit_mode_);
  if (original_mask_) mask_ = fit(crop(*original_mask_, part_), size, fit_mode_, ResizeFilter::bilinear);
}

void Canvas::grow(const Request& request) {
  const Margins& margins = request.margins;
  original_mask_ = grown_mask(request, grown_size(original_, margins));
  original_ = extend(original_, margins.left_px, margins.top_px, margins.right_px, margins.bottom_px);
  if (!selected_rect(*original_mask_)) {
    throw Error(ErrorCode::invalid_request,
                "the mask selects nothing: what is to be drawn anew must be white in it; for the opposite, invert it");
  }
  if (const int64_t blur_px = request.mask_blur_px.value_or(kDefaultMaskBlurPx); blur_px > 0) {
    original_mask_ = gaussian_blur(*original_mask_, static_cast<float>(blur_px));
  }
}

void Canvas::choose_part(const Request& request, Size size) {
  part_ = original_.bounds();
  fit_mode_ = request.resize_mode.value_or(request.task == Task::inpaint ? FitMode::keep : FitMode::stretch);
  keeps_original_size_ = request.only_masked || fit_mode_ == FitMode::keep;
  if (!request.only_masked) return;
  const int64_t padding_px = request.mask_padding_px.value_or(kDefaultMaskPaddingPx);
  const Rect masked = padded_rect(*selected_rect(*original_mask_), padding_px, original_.size());
  part_ = rect_of_aspect(masked, size, original_.size());
  fit_mode_ = FitMode::stretch;
}

Image Canvas::finish(const Image& drawn) const {
  if (!original_mask_) return drawn;
  if (!keeps_original_size_) return composite_ ? composite(image_, drawn, *mask_) : drawn;
  const Size part{part_.width_px, part_.height_px};
  const Rect covered{0, 0, std::min(part.width_px, drawn.width_px()), std::min(part.height_px, drawn.height_px())};
  const bool same_scale = fit_mode_ == FitMode::keep;
  Image whole = original_;
  paste_inplace(whole, same_scale ? crop(drawn, covered) : resize(drawn, part, ResizeFilter::lanczos), part_.x,
                part_.y);
  return composite_ ? composite(original_, whole, *original_mask_) : whole;
}

}  // namespace easel
