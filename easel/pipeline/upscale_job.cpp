#include "easel/pipeline/upscale_job.h"

#include <algorithm>
#include <utility>

#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/image/fit.h"
#include "easel/image/tensor_image.h"
#include "easel/image/watermark.h"

namespace easel {
namespace {

constexpr int64_t kRowsAtOnce = 64;  // of joined pixels that become bytes

// How much is missing to the next multiple of kTileStepPx.
int64_t missing_px(int64_t side_px) { return (kTileStepPx - side_px % kTileStepPx) % kTileStepPx; }

Image padded(const Image& image) {
  return extend(image, 0, 0, missing_px(image.width_px()), missing_px(image.height_px()));
}

}  // namespace

UpscaleJob::UpscaleJob(const Device& device, uint64_t memory_limit_bytes, UpscaleRequest request,
                       const Callbacks& callbacks)
    : device_(device),
      memory_limit_bytes_(memory_limit_bytes),
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
  result_.peak_tensor_bytes = device_.allocator().peak_bytes();
  return std::move(result_);
}

uint64_t UpscaleJob::available_bytes() const {
  const uint64_t ours = device_.allocator().bytes_in_use();  // weights that are packed already
  return std::min(memory_info().available_bytes + ours, memory_limit_bytes_);
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
