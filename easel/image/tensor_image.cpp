#include "easel/image/tensor_image.h"

#include <algorithm>
#include <iterator>

namespace easel {
namespace {

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
