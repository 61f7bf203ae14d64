#include <algorithm>

#include "easel/base/error.h"
#include "easel/pipeline/plot.h"

namespace easel {
namespace {

void add_times(StageTimes& total, const StageTimes& times) {
  total.open = times.open;  // of the pipeline, not of each cell
  total.text += times.text;
  total.sampling += times.sampling;
  total.decoding += times.decoding;
  total.network_steps += times.network_steps;
}

bool add_warning(Result& result, const std::string& text) {
  if (std::ranges::find(result.warnings, text) != result.warnings.end()) return false;
  result.warnings.push_back(text);
  return true;
}

// Cell `index` of `count` as a batch of one job, whose warnings are told once.
Callbacks callbacks_for(const Callbacks& callbacks, size_t index, size_t count, Result& total) {
  Callbacks out = callbacks;
  out.on_warning = [&](const std::string& text) {
    if (add_warning(total, text) && callbacks.on_warning) callbacks.on_warning(text);
  };
  if (callbacks.on_progress) {
    out.on_progress = [&callbacks, index, count](JobProgress progress) {
      progress.batch = static_cast<int64_t>(index);
      progress.batches = static_cast<int64_t>(count);
      callbacks.on_progress(progress);
    };
  }
  if (callbacks.on_intermediate) {
    out.on_intermediate = [&callbacks, index](IntermediateImage image) {
      image.index = index;
      callbacks.on_intermediate(image);
    };
  }
  return out;
}

}  // namespace

DrawnPlot draw_plot(Pipeline& pipeline, const Plot& plot, const Callbacks& callbacks) {
  Size largest;
  for (size_t i = 0; i < plot.cells.size(); ++i) {
    const Request completed = pipeline.completed(plot.complete_cell(i));
    largest.width_px = std::max(largest.width_px, *completed.width_px);
    largest.height_px = std::max(largest.height_px, *completed.height_px);
  }
  const SheetLayout layout = lay_out_sheet(plot.labels, largest);

  Result total;
  std::vector<Image> images;
  for (size_t i = 0; i < plot.cells.size(); ++i) {
    Result result = pipeline.generate(plot.complete_cell(i), callbacks_for(callbacks, i, plot.cells.size(), total));
    if (i == 0) total.request = result.request;
    add_times(total.times, result.times);
    total.peak_tensor_bytes = std::max(total.peak_tensor_bytes, result.peak_tensor_bytes);
    images.push_back(result.images.front().image);
    total.images.push_back(std::move(result.images.front()));
  }
  return {.sheet = draw_sheet(layout, images), .result = std::move(total)};
}

}  // namespace easel
