// Images and cases of tests/golden/image and tests/golden/watermark.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "easel/base/file.h"
#include "easel/image/codec.h"

namespace easel::testing {

inline std::filesystem::path image_path(const std::string& name) {
  return std::filesystem::path(EASEL_SOURCE_DIR) / "tests/golden" / name;
}

inline std::vector<std::byte> image_bytes(const std::string& name) { return read_file(image_path(name), 1 << 24); }

inline Image golden_image(const std::string& name) { return load_image(image_path(name)).image; }

// The value of a grey file: all three channels are equal.
inline Mask golden_mask(const std::string& name) { return grey_from(golden_image(name)); }

inline nlohmann::json golden_json(const std::string& name) {
  return nlohmann::json::parse(read_text_file(image_path(name), 1 << 24));
}

template <int kChannels>
int max_difference(const Raster<kChannels>& a, const Raster<kChannels>& b) {
  if (a.size() != b.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < a.bytes().size(); ++i) largest = std::max(largest, std::abs(a.bytes()[i] - b.bytes()[i]));
  return largest;
}

// Peak signal to noise ratio in dB.
inline double psnr(const Image& a, const Image& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.bytes().size(); ++i) sum += std::pow(a.bytes()[i] - b.bytes()[i], 2);
  return 10.0 * std::log10(255.0 * 255.0 * static_cast<double>(a.bytes().size()) / sum);
}

// The message of the Error that `action` throws, with its code checked.
template <typename Action>
std::string message_of(ErrorCode code, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

// A picture with gradients, edges and saturated colours.
inline Image sample_image(int64_t width_px, int64_t height_px) {
  Image image(width_px, height_px);
  for (int64_t y = 0; y < height_px; ++y) {
    for (int64_t x = 0; x < width_px; ++x) {
      uint8_t* rgb = image.pixel(x, y);
      rgb[0] = static_cast<uint8_t>(x * 255 / width_px);
      rgb[1] = static_cast<uint8_t>(y * 255 / height_px);
      rgb[2] = (x / 8 + y / 8) % 2 == 0 ? 255 : static_cast<uint8_t>((x + y) % 256);
    }
  }
  return image;
}

}  // namespace easel::testing
