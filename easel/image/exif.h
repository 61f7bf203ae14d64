// The few EXIF tags that matter here: Orientation and UserComment, in which A1111 keeps the parameters.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct Exif {
  int orientation = 1;            // 1..8; 1 where there is none
  std::string user_comment;       // UTF-8; empty where there is none
  std::string image_description;  // UTF-8
};

// `bytes` is a TIFF structure, with or without "Exif\0\0" before it. What is damaged counts as absent.
Exif parse_exif(std::span<const std::byte> bytes);

enum class ExifHeader { none, jpeg };  // jpeg: "Exif\0\0" in front

// A TIFF structure with `comment` (UTF-8) as UserComment, in big-endian UTF-16 as A1111 writes it.
std::vector<std::byte> exif_with_comment(std::string_view comment, ExifHeader header);

}  // namespace easel
