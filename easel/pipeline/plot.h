// Plot: the same image with some settings changed along up to three axes, as one labelled sheet.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "easel/image/sheet.h"
#include "easel/pipeline/pipeline.h"

namespace easel {

inline constexpr size_t kMaxPlotAxes = 3;
inline constexpr size_t kMaxPlotCells = 1000;

struct Plot {
  SheetLabels labels;
  // The first axis changes fastest: columns, then rows, then pages. Without the images of `base`, which may be large.
  std::vector<Request> cells;
  Request base;

  Request complete_cell(size_t index) const;
};

// Each axis is "NAME=VALUES": "steps=10,20,40", "cfg=3-9:1.5" (3, 4.5, 6, 7.5, 9), "seed=1-4", "sampler=euler,ddim".
// Values are separated by commas, or by | if there is one; a backslash before either makes it a part of the value.
// "prompt=red|blue|green" puts each value in the place of the first one in the prompt and the negative prompt; it may
// be given more than once. docs/cli.md lists the names. If no seed is given, all cells share a random one. Throws Error
// invalid_request: an unknown axis (the nearest is suggested), a value that is wrong or out of range, an axis given
// twice, too many axes or cells, a request for several images.
Plot plan_plot(const Request& request, std::span<const std::string> axes);

std::vector<std::string> plot_axis_names();

struct DrawnPlot {
  Image sheet;
  Result result;  // of all cells; its request is that of the first
};

// Draws the cells one after the other; to `callbacks` they look like the batches of one request. Throws Error as
// Pipeline::generate() does for any of them, and as lay_out_sheet() does, before the first one is drawn.
DrawnPlot draw_plot(Pipeline& pipeline, const Plot& plot, const Callbacks& callbacks);

}  // namespace easel
