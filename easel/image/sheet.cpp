#include "easel/image/sheet.h"

#include <algorithm>
#include <map>

#include "easel/image/codec.h"
#include "easel/image/label.h"

namespace easel {
namespace {

constexpr size_t kHeadingLines = 4;
constexpr size_t kColumnLines = 4;
constexpr Image::Pixel kWhite{255, 255, 255};

int64_t count_of(const std::vector<std::string>& labels) { return static_cast<int64_t>(labels.size()); }

// Sizes that all pages share, in pixels.
class Page {
 public:
  Page(const SheetLabels& labels, Size cell)
      : labels_(labels),
        cell_(cell),
        font_px_(std::clamp<int64_t>(cell.width_px / 16, 13, 28)),
        heading_font_px_(font_px_ * 5 / 4),
        gap_px_(font_px_ / 3),
        font_(font_px_),
        heading_font_(heading_font_px_) {
    row_label_width_px_ = widest(labels.rows, row_width_limit(), row_line_limit());
    column_label_height_px_ = highest(font_, labels.columns, cell_.width_px, kColumnLines);
    heading_height_px_ = highest(heading_font_, labels.pages, cells_width_px(), kHeadingLines);
  }

  int64_t gap_px() const { return gap_px_; }

  Size size() const {
    return {left() + cells_width_px(), top() + count_of(labels_.rows) * (cell_.height_px + gap_px_) - gap_px_};
  }

  // Adds the page with its upper left corner at (x, y).
  void place(SheetLayout& layout, const std::string& heading, int64_t x, int64_t y) const {
    const auto add_text = [&](std::vector<std::string> lines, const Rect& area, int64_t font_px, bool right_aligned) {
      if (lines.empty()) return;
      layout.texts.push_back(
          {.lines = std::move(lines), .area = area, .font_px = font_px, .right_aligned = right_aligned});
    };
    add_text(heading_font_.wrapped(heading, cells_width_px(), kHeadingLines),
             {x + left(), y, cells_width_px(), heading_height_px_}, heading_font_px_, false);
    for (int64_t column = 0; column < count_of(labels_.columns); ++column) {
      const Rect area{x + left() + column * (cell_.width_px + gap_px_), y + top() - gap_px_ - column_label_height_px_,
                      cell_.width_px, column_label_height_px_};
      add_text(font_.wrapped(labels_.columns[static_cast<size_t>(column)], cell_.width_px, kColumnLines), area,
               font_px_, false);
    }
    for (int64_t row = 0; row < count_of(labels_.rows); ++row) {
      const int64_t row_y = y + top() + row * (cell_.height_px + gap_px_);
      add_text(font_.wrapped(labels_.rows[static_cast<size_t>(row)], row_width_limit(), row_line_limit()),
               {x, row_y, row_label_width_px_, cell_.height_px}, font_px_, true);
      for (int64_t column = 0; column < count_of(labels_.columns); ++column) {
        layout.cells.push_back(
            {x + left() + column * (cell_.width_px + gap_px_), row_y, cell_.width_px, cell_.height_px});
      }
    }
  }

 private:
  int64_t cells_width_px() const { return count_of(labels_.columns) * (cell_.width_px + gap_px_) - gap_px_; }
  int64_t row_width_limit() const { return std::max(cell_.width_px / 2, 8 * font_px_); }
  size_t row_line_limit() const {
    return static_cast<size_t>(std::max<int64_t>(cell_.height_px / font_.line_height_px(), 1));
  }
  // Where the first cell of a page begins.
  int64_t left() const { return row_label_width_px_ == 0 ? 0 : row_label_width_px_ + 2 * gap_px_; }
  int64_t top() const {
    const int64_t heading = heading_height_px_ == 0 ? 0 : heading_height_px_ + gap_px_;
    return heading + (column_label_height_px_ == 0 ? 0 : column_label_height_px_ + gap_px_);
  }

  int64_t widest(const std::vector<std::string>& labels, int64_t width_px, size_t max_lines) const {
    int64_t widest_px = 0;
    for (const std::string& label : labels) {
      for (const std::string& line : font_.wrapped(label, width_px, max_lines)) {
        widest_px = std::max(widest_px, font_.width_px(line));
      }
    }
    return widest_px;
  }

  static int64_t highest(const LabelFont& font, const std::vector<std::string>& labels, int64_t width_px,
                         size_t max_lines) {
    size_t lines = 0;
    for (const std::string& label : labels) lines = std::max(lines, font.wrapped(label, width_px, max_lines).size());
    return static_cast<int64_t>(lines) * font.line_height_px();
  }

  const SheetLabels& labels_;
  Size cell_;
  int64_t font_px_;
  int64_t heading_font_px_;
  int64_t gap_px_;
  LabelFont font_;
  LabelFont heading_font_;
  int64_t row_label_width_px_ = 0;
  int64_t column_label_height_px_ = 0;
  int64_t heading_height_px_ = 0;
};

void draw_text(Image& sheet, const SheetText& text, const LabelFont& font) {
  const auto height_px = static_cast<int64_t>(text.lines.size()) * font.line_height_px();
  int64_t y = text.area.y + (text.area.height_px - height_px) / 2;
  for (const std::string& line : text.lines) {
    const int64_t room_px = text.area.width_px - font.width_px(line);
    font.draw_inplace(sheet, line, text.area.x + (text.right_aligned ? room_px : room_px / 2), y);
    y += font.line_height_px();
  }
}

}  // namespace

SheetLayout lay_out_sheet(const SheetLabels& labels, Size cell) {
  EASEL_ASSERT(!labels.columns.empty() && !labels.rows.empty() && !labels.pages.empty());
  const Page page(labels, cell);
  const Size page_size = page.size();
  const int64_t margin_px = 2 * page.gap_px();
  const bool side_by_side = page_size.width_px < page_size.height_px;
  const int64_t step_x = side_by_side ? page_size.width_px + 2 * margin_px : 0;
  const int64_t step_y = side_by_side ? 0 : page_size.height_px + 2 * margin_px;
  const int64_t last = count_of(labels.pages) - 1;
  SheetLayout layout{
      .size = {page_size.width_px + last * step_x + 2 * margin_px, page_size.height_px + last * step_y + 2 * margin_px},
      .cells = {},
      .texts = {}};
  if (!fits_image_limit(layout.size)) {
    throw Error(ErrorCode::invalid_request,
                "a sheet of {} images would have {}x{} pixels, over the limit of {} million; ask for fewer or smaller "
                "images",
                count_of(labels.columns) * count_of(labels.rows) * (last + 1), layout.size.width_px,
                layout.size.height_px, kMaxImageBytes / 4 / 1'000'000);
  }
  for (int64_t i = 0; i <= last; ++i) {
    page.place(layout, labels.pages[static_cast<size_t>(i)], margin_px + i * step_x, margin_px + i * step_y);
  }
  return layout;
}

Image draw_sheet(const SheetLayout& layout, std::span<const Image> images) {
  EASEL_ASSERT(images.size() == layout.cells.size());
  Image sheet(layout.size.width_px, layout.size.height_px, kWhite);
  for (size_t i = 0; i < images.size(); ++i) {
    const Rect& cell = layout.cells[i];
    paste_inplace(sheet, images[i], cell.x + (cell.width_px - images[i].width_px()) / 2,
                  cell.y + (cell.height_px - images[i].height_px()) / 2);
  }
  std::map<int64_t, LabelFont> fonts;
  for (const SheetText& text : layout.texts) {
    draw_text(sheet, text, fonts.try_emplace(text.font_px, text.font_px).first->second);
  }
  return sheet;
}

}  // namespace easel
