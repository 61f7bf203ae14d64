#include "easel/image/watermark.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace easel {
namespace {

constexpr double kStep = 36.0;                // a coefficient modulo this tells the bit
constexpr double kHaar = 0.7071067811865476;  // sqrt(1/2), rounded as in PyWavelets
constexpr int64_t kBlockPx = 8;               // 4x4 coefficients of 2x2 pixels
constexpr int kCoefficients = 16;
constexpr double kMargin = 6.0;  // kept from both ends of the half step that tells a bit

// The integer YUV of OpenCV, 14 fractional bits.
struct Yuv {
  int y, u, v;
};

uint8_t to_byte(int value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

Yuv yuv_from(const uint8_t* rgb) {
  const int y = (1868 * rgb[2] + 9617 * rgb[1] + 4899 * rgb[0] + 8192) >> 14;
  const int u = (8061 * (rgb[2] - y) + 128 * 16384 + 8192) >> 14;
  const int v = (14369 * (rgb[0] - y) + 128 * 16384 + 8192) >> 14;
  return {y, to_byte(u), to_byte(v)};
}

std::array<uint8_t, 3> rgb_from(const Yuv& yuv) {
  const int u = yuv.u - 128;
  const int v = yuv.v - 128;
  return {to_byte(yuv.y + ((18678 * v + 8192) >> 14)), to_byte(yuv.y + ((-6472 * u - 9519 * v + 8192) >> 14)),
          to_byte(yuv.y + ((33292 * u + 8192) >> 14))};
}

// The 2x2 pixels under a coefficient: U or pixels, row by row.
template <typename T>
using Quad = std::array<T, 4>;

// Haar LL, first down the columns, in the order of operations of PyWavelets: ties between coefficients depend on it.
double haar_ll(const Quad<int>& u) {
  const double left = kHaar * u[2] + kHaar * u[0];
  const double right = kHaar * u[3] + kHaar * u[1];
  return kHaar * right + kHaar * left;
}

// The pixels of one block that carry one bit.
template <typename ImageType>
struct Block {
  ImageType& image;
  int64_t x;
  int64_t y;

  auto pixel(int coefficient, int part) const {
    return image.pixel(x + coefficient % 4 * 2 + part % 2, y + coefficient / 4 * 2 + part / 2);
  }
  double coefficient(int index) const {
    Quad<int> u{};
    for (int part = 0; part < 4; ++part) u[static_cast<size_t>(part)] = yuv_from(pixel(index, part)).u;
    return haar_ll(u);
  }
};

using Coefficients = std::array<double, kCoefficients>;

template <typename ImageType>
Coefficients coefficients_of(const Block<ImageType>& block) {
  Coefficients all{};
  for (int i = 1; i < kCoefficients; ++i) all[static_cast<size_t>(i)] = block.coefficient(i);  // 0 never carries
  return all;
}

// The first largest, index 0 left out. U is never negative, nor is a coefficient.
int carrier_of(const Coefficients& all) {
  return static_cast<int>(std::max_element(all.begin() + 1, all.end()) - all.begin());
}

bool bit_of(double coefficient) { return std::fmod(coefficient, kStep) > kStep / 2; }

// How the largest coefficient of a block gets the value `top`: the carrier rises to it, or all that are above sink to
// it.
struct Change {
  double top;
  double cost;  // sum of the squares of the differences
};

Change change_to(const Coefficients& all, double top) {
  const double rise = std::max(0.0, top - all[static_cast<size_t>(carrier_of(all))]);
  Change change{top, rise * rise};
  for (auto value = all.begin() + 1; value != all.end(); ++value) {
    const double sink = std::max(0.0, *value - top);
    change.cost += sink * sink;
  }
  return change;
}

// The changes after which the block reads as `bit`, cheapest first.
std::array<Change, 3> changes_for(const Coefficients& all, bool bit) {
  const double now = all[static_cast<size_t>(carrier_of(all))];
  const double zone = std::floor(now / kStep) * kStep + (bit ? kStep / 2 : 0.0);  // of kStep / 2, in which it reads so
  std::array<Change, 3> changes{};
  for (size_t i = 0; i < changes.size(); ++i) {
    const double begin = zone + (static_cast<double>(i) - 1.0) * kStep;
    changes[i] = change_to(all, std::clamp(now, begin + kMargin, begin + kStep / 2 - kMargin));
  }
  std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return a.cost < b.cost; });
  return changes;
}

// Changes the four U so that their coefficient grows by `delta`, that is, their sum by twice as much.
void move_coefficient(const Block<Image>& block, int index, double delta) {
  const int sum = static_cast<int>(std::lround(2 * delta));
  const int each = static_cast<int>(std::floor(sum / 4.0));
  const int over = sum - 4 * each;  // 0..3 of them take one more
  for (int part = 0; part < 4; ++part) {
    uint8_t* rgb = block.pixel(index, part);
    Yuv yuv = yuv_from(rgb);
    yuv.u = to_byte(yuv.u + each + (part < over ? 1 : 0));
    const std::array<uint8_t, 3> changed = rgb_from(yuv);
    std::copy(changed.begin(), changed.end(), rgb);
  }
}

void apply(const Block<Image>& block, const Coefficients& all, double top) {
  const int carrier = carrier_of(all);
  for (int i = 1; i < kCoefficients; ++i) {
    const double value = all[static_cast<size_t>(i)];
    if (value > top || i == carrier) move_coefficient(block, i, top - value);
  }
}

// Colours at the end of their range can undo a change: then the next cheapest is tried.
void write_bit(const Block<Image>& block, bool bit) {
  const Coefficients before = coefficients_of(block);
  const Image saved = crop(block.image, {block.x, block.y, kBlockPx, kBlockPx});
  for (const Change& change : changes_for(before, bit)) {
    if (change.cost == 0.0) return;
    apply(block, before, change.top);
    const Coefficients after = coefficients_of(block);
    if (bit_of(after[static_cast<size_t>(carrier_of(after))]) == bit) return;
    paste_inplace(block.image, saved, block.x, block.y);
  }
}

struct Blocks {
  explicit Blocks(const Image& image) : columns(image.width_px() / kBlockPx), rows(image.height_px() / kBlockPx) {}
  int64_t count() const { return columns * rows; }

  int64_t columns;
  int64_t rows;
};

bool holds_mark(const Image& image) { return image.width_px() * image.height_px() >= kMinWatermarkPixels; }

}  // namespace

bool write_watermark_inplace(Image& image, std::string_view text) {
  if (text.empty()) throw Error(ErrorCode::invalid_request, "the watermark text is empty; use --no-watermark for none");
  if (!holds_mark(image)) return false;
  const std::vector<bool> bits = watermark_bits(text);
  const Blocks blocks(image);
  if (static_cast<int64_t>(bits.size()) > blocks.count()) {
    throw Error(ErrorCode::invalid_request,
                "the watermark text has {} bytes, an image of {}x{} pixels holds at most {}", text.size(),
                image.width_px(), image.height_px(), blocks.count() / 8);
  }
  for (int64_t n = 0; n < blocks.count(); ++n) {
    const Block<Image> block{image, n % blocks.columns * kBlockPx, n / blocks.columns * kBlockPx};
    write_bit(block, bits[static_cast<size_t>(n) % bits.size()]);
  }
  return true;
}

std::optional<std::vector<bool>> read_watermark_bits(const Image& image, int64_t count) {
  EASEL_ASSERT(count > 0);
  if (!holds_mark(image)) return std::nullopt;
  const Blocks blocks(image);
  std::vector<int64_t> ones(static_cast<size_t>(count));
  std::vector<int64_t> votes(static_cast<size_t>(count));
  for (int64_t n = 0; n < blocks.count(); ++n) {
    const Block<const Image> block{image, n % blocks.columns * kBlockPx, n / blocks.columns * kBlockPx};
    const Coefficients all = coefficients_of(block);
    const auto bit = static_cast<size_t>(n % count);
    ones[bit] += bit_of(all[static_cast<size_t>(carrier_of(all))]) ? 1 : 0;
    ++votes[bit];
  }
  std::vector<bool> bits(static_cast<size_t>(count));
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = ones[i] * 255 > votes[i] * 127;
  return bits;
}

std::vector<bool> watermark_bits(std::string_view text) {
  std::vector<bool> bits;
  bits.reserve(text.size() * 8);
  for (const char c : text) {
    for (int shift = 7; shift >= 0; --shift) bits.push_back((static_cast<unsigned char>(c) >> shift & 1) != 0);
  }
  return bits;
}

std::string watermark_text(const std::vector<bool>& bits) {
  std::string text(bits.size() / 8, '\0');
  for (size_t i = 0; i < text.size() * 8; ++i) {
    if (bits[i]) text[i / 8] = static_cast<char>(static_cast<unsigned char>(text[i / 8]) | 0x80U >> i % 8);
  }
  return text;
}

std::optional<WatermarkMatch> match_watermark(const Image& image, std::span<const std::string_view> texts) {
  std::optional<WatermarkMatch> best;
  for (const std::string_view text : texts) {
    const std::vector<bool> expected = watermark_bits(text);
    const std::optional<std::vector<bool>> found = read_watermark_bits(image, static_cast<int64_t>(expected.size()));
    if (!found) return std::nullopt;
    int64_t equal = 0;
    for (size_t i = 0; i < expected.size(); ++i) equal += (*found)[i] == expected[i] ? 1 : 0;
    const double agreement = static_cast<double>(equal) / static_cast<double>(expected.size());
    if (!best || agreement > best->agreement) best = WatermarkMatch{std::string(text), agreement};
  }
  return best;
}

void check_watermark_text(std::string_view text) {
  if (!text.empty() && text.size() <= kMaxWatermarkBytes) return;
  throw Error(ErrorCode::invalid_request, "the watermark has {} bytes, expected 1 to {}", text.size(),
              kMaxWatermarkBytes);
}

bool WatermarkMatch::is_certain() const {
  const auto bits = static_cast<double>(8 * text.size());
  return agreement >= 0.5 + 5 * 0.5 / std::sqrt(bits);
}

}  // namespace easel
