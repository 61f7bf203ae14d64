// Text and orientation in image files, read without decoding the pixels.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct ImageText {
  std::string keyword;
  std::string text;  // UTF-8
  bool operator==(const ImageText&) const = default;
};

inline constexpr size_t kMaxTextBytes = size_t{1} << 24;  // of all texts of a file, after inflating

// In the order of the file: PNG tEXt, zTXt, iTXt; EXIF of all formats (`UserComment`, `ImageDescription`); JPEG
// comments
// (`Comment`). Throws Error bad_image that begins with `name`: no image, a damaged text, more than kMaxTextBytes.
std::vector<ImageText> read_image_texts(std::span<const std::byte> bytes, std::string_view name);

// The generation parameters (infotext.h) among them: PNG `parameters`, else UserComment.
std::optional<std::string> generation_parameters(std::span<const ImageText> texts);

// The EXIF orientation, 1..8; 1 if there is none or the file is damaged.
int read_orientation(std::span<const std::byte> bytes);

}  // namespace easel
