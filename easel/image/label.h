// Text in images, drawn with a font of the system.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "easel/image/image.h"

namespace easel {

// A font at one size. Letters are placed one after the other with kerning; scripts that join or reorder letters
// (Arabic, Devanagari) are not shaped, and a letter that the font lacks is an empty box.
class LabelFont {
 public:
  // The file that $EASEL_FONT names, else DejaVu Sans where Linux distributions install it. size_px: of an em. Throws
  // Error not_found if there is none, with the package that has it; bad_config if the file is no font.
  explicit LabelFont(int64_t size_px);
  ~LabelFont();

  int64_t line_height_px() const;
  int64_t width_px(std::string_view line) const;  // UTF-8

  // `text` (UTF-8) as 1 to `max_lines` lines of at most `width_px`: broken at spaces, within a word only if it is wider
  // than a line. What does not fit is left out, and "…" stands in its place. No text gives no line.
  std::vector<std::string> wrapped(std::string_view text, int64_t width_px, size_t max_lines) const;

  // In black, with its upper left corner at (x, y); what falls outside of the image is left out.
  void draw_inplace(Image& image, std::string_view line, int64_t x, int64_t y) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace easel
