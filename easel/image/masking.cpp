#include "easel/image/masking.h"

#include <algorithm>

#include "easel/image/blur.h"

namespace easel {
namespace {

// a b / 255, rounded, for a sum of products up to 255 * 255.
uint8_t divided_by_255(int product) {
  product += 128;
  return static_cast<uint8_t>((product + (product >> 8)) >> 8);
}

struct Interval {
  int64_t begin;
  int64_t length;
};

// `length` long around `from`, moved into [0, limit); cut if it is longer than that.
Interval grown(const Interval& from, int64_t length, int64_t limit) {
  length = std::max(length, from.length);
  const int64_t begin = from.begin - (length - from.length) / 2;
  const int64_t kept = std::min(length, limit);
  return {std::clamp<int64_t>(begin, 0, limit - kept), kept};
}

using Premultiplied = Raster<4>;  // red, green, blue times alpha; alpha

// The image, transparent where the mask selects.
Premultiplied unmasked_part(const Image& image, const Mask& mask) {
  Premultiplied out(image.width_px(), image.height_px());
  const uint8_t* rgb = image.bytes().data();
  uint8_t* to = out.bytes().data();
  for (const uint8_t selected : mask.bytes()) {
    const int alpha = 255 - selected;
    for (int c = 0; c < 3; ++c) *to++ = divided_by_255(*rgb++ * alpha);
    *to++ = static_cast<uint8_t>(alpha);
  }
  return out;
}

// Porter and Duff 1984, "over", for premultiplied colours.
void draw_over(std::vector<float>& under, const Premultiplied& over) {
  const std::span<const uint8_t> bytes = over.bytes();
  for (size_t i = 0; i < under.size(); i += 4) {
    const float transparency = 1.0f - static_cast<float>(bytes[i + 3]) / 255.0f;
    for (size_t c = 0; c < 4; ++c) under[i + c] = static_cast<float>(bytes[i + c]) + under[i + c] * transparency;
  }
}

}  // namespace

Mask inverted(Mask mask) {
  for (uint8_t& value : mask.bytes()) value = static_cast<uint8_t>(255 - value);
  return mask;
}

std::optional<Rect> selected_rect(const Mask& mask) {
  int64_t left = mask.width_px();
  int64_t right = -1;
  int64_t top = -1;
  int64_t bottom = -1;
  for (int64_t y = 0; y < mask.height_px(); ++y) {
    const std::span<const uint8_t> row = mask.row(y);
    const auto selected = [](uint8_t value) { return value != 0; };
    const auto first = std::find_if(row.begin(), row.end(), selected);
    if (first == row.end()) continue;
    const auto last = std::find_if(row.rbegin(), row.rend(), selected);
    left = std::min<int64_t>(left, first - row.begin());
    right = std::max<int64_t>(right, row.rend() - last - 1);
    if (top < 0) top = y;
    bottom = y;
  }
  if (top < 0) return std::nullopt;
  return Rect{left, top, right - left + 1, bottom - top + 1};
}

Rect padded_rect(const Rect& rect, int64_t padding_px, Size image) {
  EASEL_ASSERT(padding_px >= 0);
  const int64_t left = std::max<int64_t>(0, rect.x - padding_px);
  const int64_t top = std::max<int64_t>(0, rect.y - padding_px);
  const int64_t right = std::min(image.width_px, rect.x + rect.width_px + padding_px);
  const int64_t bottom = std::min(image.height_px, rect.y + rect.height_px + padding_px);
  return {left, top, right - left, bottom - top};
}

Rect rect_of_aspect(const Rect& rect, Size target, Size image) {
  const bool too_wide = rect.width_px * target.height_px > target.width_px * rect.height_px;
  Interval x{rect.x, rect.width_px};
  Interval y{rect.y, rect.height_px};
  if (too_wide) {
    y = grown(y, rect.width_px * target.height_px / target.width_px, image.height_px);
  } else {
    x = grown(x, rect.height_px * target.width_px / target.height_px, image.width_px);
  }
  return {x.begin, y.begin, x.length, y.length};
}

Image composite(const Image& under, const Image& over, const Mask& mask) {
  EASEL_ASSERT(under.size() == over.size() && under.size() == mask.size());
  Image out = under;
  uint8_t* to = out.bytes().data();
  const uint8_t* from = over.bytes().data();
  for (const uint8_t share : mask.bytes()) {
    for (int c = 0; c < Image::kChannels; ++c, ++to, ++from) {
      *to = divided_by_255(*to * (255 - share) + *from * share);
    }
  }
  return out;
}

Image filled_from_surroundings(const Image& image, const Mask& mask) {
  EASEL_ASSERT(image.size() == mask.size());
  struct Layer {
    float radius_px;
    int repeats;
  };
  static constexpr std::array kLayers{Layer{256, 1}, Layer{64, 1}, Layer{16, 2}, Layer{4, 4}, Layer{2, 2}, Layer{0, 1}};
  const Premultiplied visible = unmasked_part(image, mask);
  std::vector<float> filled(visible.bytes().size());
  for (const Layer& layer : kLayers) {
    const Premultiplied blurred = gaussian_blur(visible, layer.radius_px);
    for (int i = 0; i < layer.repeats; ++i) draw_over(filled, blurred);
  }
  Image out(image.width_px(), image.height_px());
  uint8_t* to = out.bytes().data();
  for (size_t i = 0; i < filled.size(); i += 4) {
    const float scale = filled[i + 3] > 0.0f ? 255.0f / filled[i + 3] : 0.0f;
    for (size_t c = 0; c < 3; ++c) *to++ = static_cast<uint8_t>(std::min(filled[i + c] * scale + 0.5f, 255.0f));
  }
  return out;
}

}  // namespace easel
