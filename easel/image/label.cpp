#include "easel/image/label.h"

#include <ft2build.h>

#include <freetype/freetype.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "easel/base/error.h"
#include "easel/image/text_encoding.h"

namespace easel {
namespace {

constexpr char32_t kEllipsis = U'\u2026';
constexpr int kFractionBits = 6;  // FreeType measures in 64ths of a pixel

// Debian and Ubuntu; Fedora; Arch; openSUSE.
constexpr std::array kFontFiles = {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
                                   "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
                                   "/usr/share/fonts/TTF/DejaVuSans.ttf", "/usr/share/fonts/truetype/DejaVuSans.ttf"};

std::filesystem::path find_font() {
  std::error_code ignored;
  if (const char* named = std::getenv("EASEL_FONT"); named != nullptr && *named != '\0') {
    if (std::filesystem::is_regular_file(named, ignored)) return named;
    throw Error(ErrorCode::not_found, "{}: there is no such font file, which EASEL_FONT names", named);
  }
  for (const char* file : kFontFiles) {
    if (std::filesystem::is_regular_file(file, ignored)) return file;
  }
  throw Error(ErrorCode::not_found,
              "there is no font for labels: looked for {}; install the package fonts-dejavu-core, or set EASEL_FONT to "
              "a TrueType file",
              kFontFiles.front());
}

struct CloseLibrary {
  void operator()(FT_Library library) const { FT_Done_FreeType(library); }
};
struct CloseFace {
  void operator()(FT_Face face) const { FT_Done_Face(face); }
};

// Split at spaces.
std::vector<std::u32string> words_of(std::u32string_view text) {
  std::vector<std::u32string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(U' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// Blends black over one channel value; coverage 255 is all ink.
uint8_t inked(uint8_t value, unsigned coverage) { return static_cast<uint8_t>(value * (255 - coverage) / 255); }

}  // namespace

struct LabelFont::State {
  std::unique_ptr<std::remove_pointer_t<FT_Library>, CloseLibrary> library;
  std::unique_ptr<std::remove_pointer_t<FT_Face>, CloseFace> face;  // ends before its library

  // Calls visit(glyph, pen) with each letter loaded into the face's slot, unrendered; returns the width, both in
  // pixels. No ink lies left of 0 or right of the width, though letters may reach beyond the room they take in a line.
  template <typename Visit>
  int64_t walk(std::u32string_view line, const Visit& visit) const {
    FT_Pos pen = 0;
    FT_Pos end = 0;
    FT_UInt previous = 0;
    for (const char32_t letter : line) {
      const FT_UInt glyph = FT_Get_Char_Index(face.get(), letter);
      FT_Vector kerning{};
      if (previous != 0 && glyph != 0) {
        FT_Get_Kerning(face.get(), previous, glyph, FT_KERNING_DEFAULT, &kerning);
      }
      if (FT_Load_Glyph(face.get(), glyph, FT_LOAD_DEFAULT) != 0) continue;  // a damaged letter takes no room
      const FT_Glyph_Metrics& metrics = face->glyph->metrics;
      pen = std::max(pen + kerning.x, end == 0 ? -metrics.horiBearingX : 0);
      end = std::max({end, pen + face->glyph->advance.x, pen + metrics.horiBearingX + metrics.width});
      visit(*face->glyph, pen >> kFractionBits);
      pen += face->glyph->advance.x;
      previous = glyph;
    }
    return (end + (1 << kFractionBits) - 1) >> kFractionBits;
  }

  int64_t width_px(std::u32string_view line) const {
    return walk(line, [](const FT_GlyphSlotRec&, int64_t) {});
  }

  int64_t ascent_px() const { return face->size->metrics.ascender >> kFractionBits; }
};

LabelFont::LabelFont(int64_t size_px) : state_(std::make_unique<State>()) {
  const std::filesystem::path file = find_font();
  FT_Library library = nullptr;
  FT_Face face = nullptr;
  if (FT_Init_FreeType(&library) != 0) throw Error(ErrorCode::out_of_memory, "FreeType cannot start");
  state_->library.reset(library);
  if (FT_New_Face(library, file.c_str(), 0, &face) != 0) {
    throw Error(ErrorCode::bad_config, "{}: is no font that can be read, expected TrueType or OpenType", file.string());
  }
  state_->face.reset(face);
  if (FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(size_px)) != 0) {
    throw Error(ErrorCode::bad_config, "{}: has no letters of {} pixels, expected a font of any size", file.string(),
                size_px);
  }
}

LabelFont::~LabelFont() = default;

// What the font calls its height is rounded, and may cut the lowest row of letters.
int64_t LabelFont::line_height_px() const {
  const FT_Size_Metrics& metrics = state_->face->size->metrics;
  return std::max(metrics.height, metrics.ascender - metrics.descender) >> kFractionBits;
}

int64_t LabelFont::width_px(std::string_view line) const { return state_->width_px(utf32_from_utf8(line)); }

void LabelFont::draw_inplace(Image& image, std::string_view line, int64_t x, int64_t y) const {
  const int64_t baseline = y + state_->ascent_px();
  state_->walk(utf32_from_utf8(line), [&](const FT_GlyphSlotRec& glyph, int64_t pen) {
    if (FT_Render_Glyph(state_->face->glyph, FT_RENDER_MODE_NORMAL) != 0) return;
    const FT_Bitmap& bitmap = glyph.bitmap;
    for (int64_t row = 0; row < bitmap.rows; ++row) {
      for (int64_t column = 0; column < bitmap.width; ++column) {
        const int64_t to_x = x + pen + glyph.bitmap_left + column;
        const int64_t to_y = baseline - glyph.bitmap_top + row;
        if (to_x < 0 || to_y < 0 || to_x >= image.width_px() || to_y >= image.height_px()) continue;
        uint8_t* const pixel = image.pixel(to_x, to_y);
        for (int channel = 0; channel < Image::kChannels; ++channel) {
          pixel[channel] = inked(pixel[channel], bitmap.buffer[row * bitmap.pitch + column]);
        }
      }
    }
  });
}

std::vector<std::string> LabelFont::wrapped(std::string_view text, int64_t width, size_t max_lines) const {
  const auto fits = [&](const std::u32string& line) { return state_->width_px(line) <= width; };
  std::vector<std::u32string> lines;
  for (const std::u32string& word : words_of(utf32_from_utf8(text))) {
    if (!lines.empty() && fits(lines.back() + U' ' + word)) {
      lines.back() += U' ' + word;
      continue;
    }
    lines.emplace_back();
    for (const char32_t letter : word) {
      if (!lines.back().empty() && !fits(lines.back() + letter)) lines.emplace_back();
      lines.back() += letter;
    }
  }
  if (lines.size() > max_lines) {
    lines.resize(max_lines);
    while (!lines.back().empty() && !fits(lines.back() + kEllipsis)) lines.back().pop_back();
    lines.back() += kEllipsis;
  }
  std::vector<std::string> out;
  for (const std::u32string& line : lines) out.push_back(utf8_from_utf32(line));
  return out;
}

}  // namespace easel
