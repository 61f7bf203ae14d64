// A sheet of labelled images: columns, rows and pages of them as one picture.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "easel/image/image.h"

namespace easel {

// At least one of each; an empty text leaves the label out.
struct SheetLabels {
  std::vector<std::string> columns;
  std::vector<std::string> rows;
  std::vector<std::string> pages;
};

struct SheetText {
  std::vector<std::string> lines;
  Rect area;  // the lines fit into it
  int64_t font_px;
  bool right_aligned;  // towards an image on the right; centred otherwise
};

struct SheetLayout {
  Size size;
  std::vector<Rect> cells;  // the column changes fastest, then the row, then the page
  std::vector<SheetText> texts;
};

// cell: the largest image. Labels are wrapped, and shortened if there is no end. Each page has its heading, its
// columns' labels above and its rows' labels to the left; wide pages lie below each other, tall ones side by side.
// Throws Error invalid_request if the sheet would have more than kMaxImageBytes (codec.h), and as LabelFont does.
SheetLayout lay_out_sheet(const SheetLabels& labels, Size cell);

// On white. images: one for each cell, not larger than it; a smaller one is centred in its cell.
Image draw_sheet(const SheetLayout& layout, std::span<const Image> images);

}  // namespace easel
