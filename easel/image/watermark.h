// The invisible watermark of the original scripts (invisible-watermark, method "dwtDct").
//
// It lives in the blue-difference plane U: each block of 8x8 pixels carries a bit of the text in its largest Haar LL
// coefficient, taken modulo 36. The mark is weak: flat images and JPEG destroy bits of it.
//
// Written is a clean form: only pixels under the block's largest coefficients change, by the least that reads right
// with some margin. The reference sets every carrier, swaps two bands and truncates, which costs up to 25 dB and, where
// the carrier sinks below its neighbours, the bit. Both forms read alike.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/image/image.h"

namespace easel {

inline constexpr std::string_view kWatermarkSd1 = "StableDiffusionV1";
inline constexpr std::string_view kWatermarkSd2 = "SDV2";
inline constexpr int64_t kMinWatermarkPixels = 65536;  // 256x256
inline constexpr size_t kMaxWatermarkBytes = 64;       // half of the blocks of the smallest image

// Throws Error invalid_request unless it has 1 to kMaxWatermarkBytes bytes.
void check_watermark_text(std::string_view text);

// True: written. False: the image has fewer than kMinWatermarkPixels and stays as it is.
// Throws Error invalid_request for an empty text or one with more bits than the image has blocks.
[[nodiscard]] bool write_watermark_inplace(Image& image, std::string_view text);

// The first `count` bits; nothing if the image is too small to hold a mark. Bits that were never written are arbitrary.
std::optional<std::vector<bool>> read_watermark_bits(const Image& image, int64_t count);

// Most significant bit of each byte first.
std::vector<bool> watermark_bits(std::string_view text);
std::string watermark_text(const std::vector<bool>& bits);  // whole bytes

struct WatermarkMatch {
  std::string text;
  double agreement;  // share of its bits found: 1 is certain, 0.5 is chance

  // The agreement is five standard deviations above what chance gives.
  bool is_certain() const;
};

// Which of `texts` agrees best; nothing if the image is too small.
std::optional<WatermarkMatch> match_watermark(const Image& image, std::span<const std::string_view> texts);

}  // namespace easel
