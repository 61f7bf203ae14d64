#include "easel/image/grey16.h"

#include <algorithm>

#include "easel/base/file.h"
#include "easel/image/formats.h"
#include "easel/image/metadata.h"
#include "easel/image/orientation.h"

namespace easel {
namespace {

constexpr int kFromByte = 257;  // 255 -> 65535

Grey16 joined(const GreyBytes& bytes) {
  Grey16 grey{.size = bytes.size(), .values = {}};
  grey.values.reserve(bytes.bytes().size() / 2);
  for (size_t i = 0; i < bytes.bytes().size(); i += 2) {
    grey.values.push_back(static_cast<uint16_t>(bytes.bytes()[i] << 8 | bytes.bytes()[i + 1]));
  }
  return grey;
}

Grey16 widened(const Mask& mask) {
  Grey16 grey{.size = mask.size(), .values = std::vector<uint16_t>(mask.bytes().size())};
  std::transform(mask.bytes().begin(), mask.bytes().end(), grey.values.begin(),
                 [](uint8_t value) { return static_cast<uint16_t>(value * kFromByte); });
  return grey;
}

}  // namespace

Grey16 decode_grey16(std::span<const std::byte> bytes, std::string_view name) {
  if (sniff_image_format(bytes) == ImageFormat::png) {
    if (auto grey = decode_png_grey16(bytes, name)) return joined(oriented(std::move(*grey), read_orientation(bytes)));
  }
  return widened(grey_from(decode_image(bytes, name).image));
}

Grey16 load_grey16(const std::filesystem::path& path) {
  return decode_grey16(read_file(path, kMaxImageFileBytes), path.string());
}

Mask mask_from(const Grey16& grey) {
  constexpr uint32_t kFactor = 257;  // 65535 / 255
  Mask mask(grey.size.width_px, grey.size.height_px);
  std::ranges::transform(grey.values, mask.bytes().begin(),
                         [](uint16_t value) { return static_cast<uint8_t>((value + kFactor / 2) / kFactor); });
  return mask;
}

std::vector<std::byte> encode_grey16(const Grey16& grey) {
  GreyBytes bytes(grey.size.width_px, grey.size.height_px);
  EASEL_ASSERT(2 * grey.values.size() == bytes.bytes().size());
  for (size_t i = 0; i < grey.values.size(); ++i) {
    bytes.bytes()[2 * i] = static_cast<uint8_t>(grey.values[i] >> 8);
    bytes.bytes()[2 * i + 1] = static_cast<uint8_t>(grey.values[i] & 0xFF);
  }
  return encode_png_grey16(bytes);
}

}  // namespace easel
