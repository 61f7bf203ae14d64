// The outer structure of image files: PNG chunks, JPEG markers, RIFF chunks. Walking stops where the file is damaged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace easel {

// One block of a file. Its bytes lie in the file's.
struct Block {
  std::string type;  // PNG, RIFF: the four letters; JPEG: "APP1", "COM "
  std::span<const std::byte> bytes;
  bool intact;  // the checksum is right (PNG); all of it is there
};

std::vector<Block> png_blocks(std::span<const std::byte> file);   // without IDAT
std::vector<Block> jpeg_blocks(std::span<const std::byte> file);  // APP1 and COM before the first scan
std::vector<Block> riff_blocks(std::span<const std::byte> file);

}  // namespace easel
