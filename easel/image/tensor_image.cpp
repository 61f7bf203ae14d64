#include "easel/image/tensor_image.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace easel {
namespace {

constexpr float kMaxGrey16 = 65535.0f;

// The order of operations of the scripts: first v / 255, then 2 x - 1, each rounded to f32.
float signed_unit(uint8_t value) { return 2.0f * (static_cast<float>(value) / 255.0f) - 1.0f; }

uint8_t to_byte(float x) {
  const float unit = (x + 1.0f) / 2.0f;
  if (!(unit > 0.0f)) return 0;  // NaN too
  return static_cast<uint8_t>(255.0f * std::min(unit, 1.0f));
}

}  // namespace

Tensor tensor_from(std::span<const Image> images, const Device& device) {
  EASEL_ASSERT(!images.empty() && !images[0].empty());
  const Size size = images[0].size();
  std::vector<float> values;
  values.reserve(images.size() * images[0].bytes().size());
  for (const Image& image : images) {
    EASEL_ASSERT(image.size() == size);
    std::transform(image.bytes().begin(), image.bytes().end(), std::back_inserter(values), signed_unit);
  }
  return Tensor::from(device, {static_cast<int64_t>(images.size()), size.height_px, size.width_px, Image::kChannels},
                      values);
}

Tensor tensor_from(const Image& image, const Device& device) { return tensor_from(std::span(&image, 1), device); }

Tensor tensor_from(const Mask& mask, const Device& device) {
  EASEL_ASSERT(!mask.empty());
  std::vector<float> values(mask.bytes().size());
  std::transform(mask.bytes().begin(), mask.bytes().end(), values.begin(),
                 [](uint8_t value) { return static_cast<float>(value) / 255.0f; });
  return Tensor::from(device, {1, mask.height_px(), mask.width_px(), Mask::kChannels}, values);
}

Tensor tensor_from(const Grey16& grey, const Device& device) {
  EASEL_ASSERT(!grey.values.empty());
  std::vector<float> values(grey.values.size());
  std::transform(grey.values.begin(), grey.values.end(), values.begin(),
                 [](uint16_t value) { return static_cast<float>(value) / kMaxGrey16; });
  return Tensor::from(device, {1, grey.size.height_px, grey.size.width_px, 1}, values);
}

Grey16 grey16_from(const Tensor& x) {
  EASEL_ASSERT(x.shape().rank() == 4 && x.dim(0) == 1 && x.dim(3) == 1);
  const std::vector<float> values = x.values();
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  const float low = *smallest, range = *largest - *smallest;
  Grey16 grey{.size = {.width_px = x.dim(2), .height_px = x.dim(1)}, .values = std::vector<uint16_t>(values.size())};
  if (range > 0.0f) {
    std::transform(values.begin(), values.end(), grey.values.begin(),
                   [&](float value) { return static_cast<uint16_t>(std::lround((value - low) / range * kMaxGrey16)); });
  }
  return grey;
}

std::vector<Image> images_from(const Tensor& x) {
  EASEL_ASSERT(x.shape().rank() == 4 && x.dim(3) == Image::kChannels);
  const std::vector<float> values = x.values();
  std::vector<Image> images;
  auto from = values.begin();
  for (int64_t n = 0; n < x.dim(0); ++n) {
    Image& image = images.emplace_back(x.dim(2), x.dim(1));
    const auto count = static_cast<ptrdiff_t>(image.bytes().size());
    std::transform(from, from + count, image.bytes().begin(), to_byte);
    from += count;
  }
  return images;
}

}  // namespace easel
