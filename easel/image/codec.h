// Reading and writing image files. The content decides what a file is, not its name.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/image/image.h"

namespace easel {

enum class ImageFormat { png, jpeg, webp };

// No image takes more, at 4 bytes a pixel: 8192 x 8192 pixels, say.
inline constexpr uint64_t kMaxImageBytes = uint64_t{1} << 28;
inline constexpr uint64_t kMaxImageFileBytes = uint64_t{1} << 29;

bool fits_image_limit(Size size);

struct DecodedImage {
  ImageFormat format;
  Image image;                // alpha is dropped, not blended; the EXIF orientation is applied
  std::optional<Mask> alpha;  // 255 is opaque
};

// PNG of every type (16 bits: the high byte; gamma and colour profiles ignored), JPEG (grey, colour, CMYK;
// progressive), WebP (still). Throws Error bad_image that begins with `name`: other formats, damaged or truncated
// files, more than kMaxImageBytes.
DecodedImage decode_image(std::span<const std::byte> bytes, std::string_view name);
DecodedImage load_image(const std::filesystem::path& path);  // also Error not_found, io_failure

// What the first bytes say; nothing if it is no format that we read.
std::optional<ImageFormat> sniff_image_format(std::span<const std::byte> bytes);

struct EncodeOptions {
  ImageFormat format = ImageFormat::png;
  int quality = 92;             // JPEG, WebP: 1..100; JPEG keeps the full colour resolution from 90
  bool lossless = false;        // WebP
  int png_level = 6;            // zlib 0..9
  std::string parameters = {};  // UTF-8, infotext.h; PNG text `parameters`, else EXIF UserComment; empty: none
};

// Throws Error invalid_request if the format cannot hold the size (JPEG 65500, WebP 16383 pixels a side) or the text
// (JPEG).
std::vector<std::byte> encode_image(const Image& image, const EncodeOptions& options = {});
std::vector<std::byte> encode_mask(const Mask& mask);  // grey PNG

// By the ending of its name: .png, .jpg, .jpeg, .webp. Throws Error invalid_request for others.
ImageFormat image_format_for(const std::filesystem::path& path);
// The file appears whole or not at all. Throws Error io_failure.
void save_image(const std::filesystem::path& path, const Image& image, const EncodeOptions& options = {});

}  // namespace easel
