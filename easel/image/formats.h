// The three file formats, each behind one file that calls its library. Only codec.cpp includes this.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "easel/image/codec.h"

namespace easel {

struct Pixels {
  Image image;
  std::optional<Mask> alpha;
};
using GreyBytes = Raster<2>;  // grey of 16 bits as PNG stores it: the high byte, then the low byte

// As stored, without regard to orientation. Throw Error bad_image.
Pixels decode_png(std::span<const std::byte> bytes, std::string_view name);
Pixels decode_jpeg(std::span<const std::byte> bytes, std::string_view name);
Pixels decode_webp(std::span<const std::byte> bytes, std::string_view name);

// Nothing if it is a PNG of another type.
std::optional<GreyBytes> decode_png_grey16(std::span<const std::byte> bytes, std::string_view name);

std::vector<std::byte> encode_png(const Image& image, const EncodeOptions& options);
std::vector<std::byte> encode_png_grey(const Mask& mask);
std::vector<std::byte> encode_png_grey16(const GreyBytes& grey);
std::vector<std::byte> encode_jpeg(const Image& image, const EncodeOptions& options);
std::vector<std::byte> encode_webp(const Image& image, const EncodeOptions& options);

// Throws Error bad_image if an image of `size` is over kMaxImageBytes, or has no pixels.
void check_image_size(Size size, std::string_view name);

// Splits `rgba`, 4 bytes a pixel.
Pixels split_alpha(std::span<const uint8_t> rgba, Size size);

}  // namespace easel
