#include "easel/image/codec.h"

#include <algorithm>
#include <array>

#include "easel/base/file.h"
#include "easel/base/text.h"
#include "easel/image/formats.h"
#include "easel/image/metadata.h"
#include "easel/image/orientation.h"

namespace easel {
namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t offset;
  std::string_view bytes;
  const char* format;
};

// Formats that people try.
constexpr std::array kForeignFormats{
    Signature{0, "GIF8"sv, "GIF"},         Signature{0, "BM"sv, "BMP"},
    Signature{0, "II*\0"sv, "TIFF"},       Signature{0, "MM\0*"sv, "TIFF"},
    Signature{4, "ftypavif"sv, "AVIF"},    Signature{4, "ftyphei"sv, "HEIC"},
    Signature{4, "ftypmif1"sv, "HEIC"},    Signature{0, "8BPS"sv, "Photoshop"},
    Signature{0, "\xFF\x0A"sv, "JPEG XL"}, Signature{0, "\0\0\0\x0CJXL "sv, "JPEG XL"},
    Signature{0, "<svg"sv, "SVG"},         Signature{0, "%PDF"sv, "PDF"},
};

bool starts_with(std::span<const std::byte> bytes, size_t offset, std::string_view signature) {
  if (bytes.size() < offset + signature.size()) return false;
  return std::equal(signature.begin(), signature.end(), bytes.begin() + static_cast<ptrdiff_t>(offset),
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

[[noreturn]] void throw_unknown_format(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.empty())
    throw Error(ErrorCode::bad_image, "{}: the file is empty, expected a PNG, JPEG or WebP image", name);
  for (const Signature& signature : kForeignFormats) {
    if (!starts_with(bytes, signature.offset, signature.bytes)) continue;
    throw Error(ErrorCode::bad_image, "{}: is a {} file, expected PNG, JPEG or WebP; convert it first", name,
                signature.format);
  }
  throw Error(ErrorCode::bad_image, "{}: is no image that can be read, expected PNG, JPEG or WebP", name);
}

Pixels decode(ImageFormat format, std::span<const std::byte> bytes, std::string_view name) {
  switch (format) {
    case ImageFormat::png: return decode_png(bytes, name);
    case ImageFormat::jpeg: return decode_jpeg(bytes, name);
    default: return decode_webp(bytes, name);
  }
}

}  // namespace

bool fits_image_limit(Size size) {
  if (size.width_px <= 0 || size.height_px <= 0) return false;
  constexpr uint64_t kMaxPixels = kMaxImageBytes / 4;
  return static_cast<uint64_t>(size.width_px) <= kMaxPixels / static_cast<uint64_t>(size.height_px);
}

void check_image_size(Size size, std::string_view name) {
  if (fits_image_limit(size)) return;
  if (size.width_px <= 0 || size.height_px <= 0) {
    throw Error(ErrorCode::bad_image, "{}: the image has {}x{} pixels", name, size.width_px, size.height_px);
  }
  throw Error(ErrorCode::bad_image, "{}: the image has {}x{} pixels, over the limit of {} million pixels", name,
              size.width_px, size.height_px, kMaxImageBytes / 4 / 1'000'000);
}

Pixels split_alpha(std::span<const uint8_t> rgba, Size size) {
  Pixels pixels{Image(size.width_px, size.height_px), Mask(size.width_px, size.height_px)};
  uint8_t* rgb = pixels.image.bytes().data();
  const uint8_t* from = rgba.data();
  for (uint8_t& alpha : pixels.alpha->bytes()) {
    rgb = std::copy_n(from, 3, rgb);
    alpha = from[3];
    from += 4;
  }
  return pixels;
}

std::optional<ImageFormat> sniff_image_format(std::span<const std::byte> bytes) {
  if (starts_with(bytes, 0, "\x89PNG\r\n\x1A\n"sv)) return ImageFormat::png;
  if (starts_with(bytes, 0, "\xFF\xD8\xFF"sv)) return ImageFormat::jpeg;
  if (starts_with(bytes, 0, "RIFF"sv) && starts_with(bytes, 8, "WEBP"sv)) return ImageFormat::webp;
  return std::nullopt;
}

DecodedImage decode_image(std::span<const std::byte> bytes, std::string_view name) {
  const std::optional<ImageFormat> format = sniff_image_format(bytes);
  if (!format) throw_unknown_format(bytes, name);
  Pixels pixels = decode(*format, bytes, name);
  const int orientation = read_orientation(bytes);
  DecodedImage decoded{*format, oriented(std::move(pixels.image), orientation), std::nullopt};
  if (pixels.alpha) decoded.alpha = oriented(std::move(*pixels.alpha), orientation);
  return decoded;
}

DecodedImage load_image(const std::filesystem::path& path) {
  return decode_image(read_file(path, kMaxImageFileBytes), path.string());
}

std::vector<std::byte> encode_image(const Image& image, const EncodeOptions& options) {
  EASEL_ASSERT(!image.empty());
  switch (options.format) {
    case ImageFormat::png: return encode_png(image, options);
    case ImageFormat::jpeg: return encode_jpeg(image, options);
    default: return encode_webp(image, options);
  }
}

std::vector<std::byte> encode_mask(const Mask& mask) {
  EASEL_ASSERT(!mask.empty());
  return encode_png_grey(mask);
}

ImageFormat image_format_for(const std::filesystem::path& path) {
  const std::string ending = lower_ascii(path.extension().string());
  if (ending == ".png") return ImageFormat::png;
  if (ending == ".jpg" || ending == ".jpeg") return ImageFormat::jpeg;
  if (ending == ".webp") return ImageFormat::webp;
  throw Error(ErrorCode::invalid_request, "{}: the name ends in '{}', expected .png, .jpg or .webp", path.string(),
              ending);
}

void save_image(const std::filesystem::path& path, const Image& image, const EncodeOptions& options) {
  write_file_whole(path, encode_image(image, options));
}

}  // namespace easel
