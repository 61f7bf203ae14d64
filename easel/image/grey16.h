// Grey16: grey pixels of 16 bits, for what 256 levels are too few for: depth maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "easel/image/image.h"

namespace easel {

struct Grey16 {
  Size size;
  std::vector<uint16_t> values;  // size.width_px * size.height_px, rows from top to bottom
};

// A grey PNG of 16 bits as it is; of any other image that codec.h reads the luma, 255 becoming 65535. Alpha is dropped,
// the EXIF orientation applied. Throws as decode_image() and load_image().
Grey16 decode_grey16(std::span<const std::byte> bytes, std::string_view name);
Grey16 load_grey16(const std::filesystem::path& path);

Mask mask_from(const Grey16& grey);  // 65535 becomes 255, rounded

std::vector<std::byte> encode_grey16(const Grey16& grey);  // grey PNG of 16 bits

}  // namespace easel
