// What the jobs of a network and of diffusion share. Private to easel/pipeline.
#pragma once

#include <string>
#include <string_view>

#include "easel/image/infotext.h"
#include "easel/pipeline/latent.h"
#include "easel/pipeline/memory.h"
#include "easel/pipeline/upscaler.h"
#include "easel/upscale/tiles.h"

namespace easel {

// What an upscaler computes with, and what it may take.
struct UpscaleMemory {
  const Device& device;
  uint64_t limit_bytes;
  bool low_memory;
  PlanTarget target;
};

class UpscaleJob {
 public:
  // request: checked, with nothing left open but tiles and seeds.
  UpscaleJob(const UpscaleMemory& memory, UpscaleRequest request, const Callbacks& callbacks);
  virtual ~UpscaleJob() = default;
  UpscaleJob(const UpscaleJob&) = delete;
  UpscaleJob& operator=(const UpscaleJob&) = delete;

  UpscaleResult run();

 protected:
  // image: the request's, its edges repeated on the right and below up to multiples of kTileStepPx
  // -> the image that the network makes of it. Sets `grid`.
  virtual Image enlarge(const Image& image, std::optional<TileGrid>& grid) = 0;
  virtual int64_t scale() const = 0;
  virtual Infotext describe() const = 0;                          // the settings, but for size and tiles
  virtual std::string_view watermark_text() const { return {}; }  // empty: none is written

  const Device& device() const { return memory_.device; }
  const PlanTarget& target() const { return memory_.target; }
  const UpscaleRequest& request() const { return result_.request; }  // its image is taken out
  UpscaleResult& result() { return result_; }
  MemoryAllowance allowance() const;
  // Tiles as the request wants them, or as large as can be done within the allowance. smallest_memory: the smallest
  // limit for tiles of so many rows and columns. Throws Error out_of_memory.
  TileGrid plan_tiles(Size image, const std::function<uint64_t(int64_t rows, int64_t columns)>& smallest_memory) const;
  void note(const MemoryPlan& plan);

  void warn(const std::string& text);
  void tell(const JobProgress& progress) const;
  const Callbacks& callbacks() const { return callbacks_; }
  void stop_if_cancelled() const;
  BlockObserver watch_cancel() const;  // between the blocks of a network

 private:
  UpscaleMemory memory_;
  const Callbacks& callbacks_;
  Size upscaled_size_;
  Image image_;
  UpscaleResult result_;
};

// For the settings of all upscalers: "Size", tiles if there are several, "Version".
void add_result_fields(Infotext& text, Size size, const std::optional<TileGrid>& grid);

// Joined pixels [1, height, width, 3], nominally in [-1, 1], as bytes.
Image image_from(const TileBlend& pixels, const Device& device);
// What the joined pixels and the image of this size take.
uint64_t joined_bytes(Size size);

}  // namespace easel
