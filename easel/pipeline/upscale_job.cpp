#include "easel/pipeline/upscale_job.h"

#include <algorithm>
#include <utility>

#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/text.h"
#include "easel/image/fit.h"
#include "easel/image/tensor_image.h"
#include "easel/image/watermark.h"
#include "easel/pipeline/tile_plan.h"

namespace easel {
namespace {

constexpr int64_t kRowsAtOnce = 64;  // of joined pixels that become bytes

// How much is missing to the next multiple of kTileStepPx.
int64_t missing_px(int64_t side_px) { return (kTileStepPx - side_px % kTileStepPx) % kTileStepPx; }

Image padded(const Image& image) {
  return extend(image, 0, 0, missing_px(image.width_px()), missing_px(image.height_px()));
}

}  // namespace

UpscaleJob::UpscaleJob(const UpscaleMemory& memory, UpscaleRequest request, const Callbacks& callbacks)
    : memory_(memory),
      callbacks_(callbacks),
      upscaled_size_(upscaled_size(request)),
      image_(std::exchange(request.image, {})) {
  result_.request = std::move(request);
}

UpscaleResult UpscaleJob::run() {
  std::optional<TileGrid> grid;
  const Size made{image_.width_px() * scale(), image_.height_px() * scale()};
  Image image = enlarge(padded(image_), grid);
  if (image.size() != made) image = crop(image, {0, 0, made.width_px, made.height_px});
  image = resize(image, upscaled_size_, ResizeFilter::lanczos);  // as it is, if that is its size
  const std::string mark = request().watermark_text.value_or(std::string(watermark_text()));
  result_.watermarked = request().watermark && !mark.empty() && write_watermark_inplace(image, mark);
  Infotext text = describe();
  add_result_fields(text, image.size(), grid);
  result_.parameters = write_infotext(text);
  result_.image = std::move(image);
  result_.tiles = grid ? grid->count() : 1;
  result_.peak_tensor_bytes = device().allocator().peak_bytes();
  return std::move(result_);
}

MemoryAllowance UpscaleJob::allowance() const {
  return memory_allowance(memory_.limit_bytes, memory_.low_memory, memory_.device);
}

// Of tiles of another size a network makes another image: they are as large as can be, and their plan is as fast as is
// possible then.
TileGrid UpscaleJob::plan_tiles(Size image,
                                const std::function<uint64_t(int64_t rows, int64_t columns)>& smallest_memory) const {
  const MemoryAllowance allowance = this->allowance();
  return easel::plan_tiles({.image = image, .needed_bytes = smallest_memory}, request().tile_px, request().overlap_px,
                           std::min(allowance.bytes, allowance.tensor_bytes));
}

void UpscaleJob::note(const MemoryPlan& plan) {
  result_.planned_bytes = plan.needed_bytes;
  log::debug("memory: needs {}; {}", format_bytes(plan.needed_bytes), easel::describe(plan));
}

void UpscaleJob::warn(const std::string& text) {
  if (std::find(result_.warnings.begin(), result_.warnings.end(), text) != result_.warnings.end()) return;
  result_.warnings.push_back(text);
  if (callbacks_.on_warning) callbacks_.on_warning(text);
}

void UpscaleJob::tell(const JobProgress& progress) const {
  if (callbacks_.on_progress) callbacks_.on_progress(progress);
}

void UpscaleJob::stop_if_cancelled() const {
  if (callbacks_.cancel.cancelled()) throw Error(ErrorCode::cancelled, "the job was cancelled");
}

BlockObserver UpscaleJob::watch_cancel() const {
  return [this](std::string_view, const Tensor&) { stop_if_cancelled(); };
}

void add_result_fields(Infotext& text, Size size, const std::optional<TileGrid>& grid) {
  text.fields.push_back({"Size", fmt::format("{}x{}", size.width_px, size.height_px)});
  if (grid && grid->count() > 1) {
    text.fields.push_back({"Tile size", fmt::format("{}x{}", grid->columns().tile, grid->rows().tile)});
    text.fields.push_back({"Tile overlap", std::to_string(grid->rows().overlap)});
  }
  text.fields.push_back({"Version", program_version()});
}

Image image_from(const TileBlend& pixels, const Device& device) {
  Image image;
  for (int64_t begin = 0; begin < pixels.height(); begin += kRowsAtOnce) {
    const Image part = images_from(pixels.rows(device, begin, std::min(begin + kRowsAtOnce, pixels.height()))).front();
    if (image.empty()) image = Image(part.width_px(), pixels.height());
    paste_inplace(image, part, 0, begin);
  }
  return image;
}

uint64_t joined_bytes(Size size) {
  const auto values = static_cast<uint64_t>(size.width_px * size.height_px * Image::kChannels);
  return values * (sizeof(float) + 2);  // the image, and once more when it is cropped or resized
}

}  // namespace easel
