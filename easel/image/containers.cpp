#include "easel/image/containers.h"

#include <zlib.h>

#include <algorithm>
#include <string_view>

namespace easel {
namespace {

constexpr size_t kMaxBlocks = 4096;  // real files have some dozens; millions of empty ones would fill the memory

uint32_t big_endian(std::span<const std::byte> bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

uint32_t little_endian32(std::span<const std::byte> bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

std::string letters(std::span<const std::byte> bytes, size_t at) {
  return {reinterpret_cast<const char*>(bytes.data()) + at, 4};
}

uint32_t checksum(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

// PNG (third edition), 5.3: length, type, data, CRC of type and data.
std::vector<Block> png_blocks(std::span<const std::byte> file) {
  constexpr size_t kSignatureBytes = 8;
  constexpr size_t kFrameBytes = 12;
  std::vector<Block> blocks;
  for (size_t at = kSignatureBytes; at + kFrameBytes <= file.size() && blocks.size() < kMaxBlocks;) {
    const size_t length = big_endian(file, at, 4);
    if (length > file.size() - at - kFrameBytes) break;
    const std::string type = letters(file, at + 4);
    if (type == "IEND") break;
    if (type != "IDAT") {
      const bool intact = checksum(file.subspan(at + 4, length + 4)) == big_endian(file, at + 8 + length, 4);
      blocks.push_back({type, file.subspan(at + 8, length), intact});
    }
    at += length + kFrameBytes;
  }
  return blocks;
}

// ITU-T T.81, annex B: FF and a code, then, but for the codes without data, a length that counts itself.
std::vector<Block> jpeg_blocks(std::span<const std::byte> file) {
  constexpr uint32_t kApp1 = 0xE1;
  constexpr uint32_t kComment = 0xFE;
  constexpr uint32_t kStartOfScan = 0xDA;
  constexpr uint32_t kEndOfImage = 0xD9;
  constexpr uint32_t kFill = 0xFF;
  std::vector<Block> blocks;
  for (size_t at = 2; at + 4 <= file.size() && file[at] == std::byte{0xFF} && blocks.size() < kMaxBlocks;) {
    const auto code = std::to_integer<uint32_t>(file[at + 1]);
    if (code == kFill) {
      ++at;
      continue;
    }
    if (code == kStartOfScan || code == kEndOfImage) break;
    const size_t length = big_endian(file, at + 2, 2);
    if (length < 2 || length > file.size() - at - 2) break;
    if (code == kApp1 || code == kComment) {
      blocks.push_back({code == kApp1 ? "APP1" : "COM ", file.subspan(at + 4, length - 2), true});
    }
    at += 2 + length;
  }
  return blocks;
}

// WebP container: four letters, a little-endian length, the data, a zero byte if the length is odd.
std::vector<Block> riff_blocks(std::span<const std::byte> file) {
  constexpr size_t kHeaderBytes = 12;
  constexpr size_t kFrameBytes = 8;
  std::vector<Block> blocks;
  for (size_t at = kHeaderBytes; at + kFrameBytes <= file.size() && blocks.size() < kMaxBlocks;) {
    const size_t length = little_endian32(file, at + 4);
    if (length > file.size() - at - kFrameBytes) break;
    blocks.push_back({letters(file, at), file.subspan(at + kFrameBytes, length), true});
    at += kFrameBytes + length + length % 2;
  }
  return blocks;
}

}  // namespace easel
