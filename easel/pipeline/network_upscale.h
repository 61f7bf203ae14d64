// An image made larger by an ESRGAN network. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/upscale_job.h"
#include "easel/upscale/rrdbnet.h"

namespace easel {

// An ESRGAN network and the file it is from.
class NetworkFile {
 public:
  // Throws Error bad_checkpoint.
  explicit NetworkFile(std::shared_ptr<const Checkpoint> checkpoint);

  const RrdbNet& network() const { return network_; }
  const std::string& file() const { return checkpoint_->file(); }
  std::string name() const;  // the file's without its ending
  uint64_t weight_bytes() const;
  // The same network, of which nothing is read yet.
  RrdbNet with_weights(Residency residency) const;
  // How its weights stay from now on.
  void arrange(Residency residency);

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  Residency residency_ = Residency::packed;
  RrdbNet network_;
};

// The smallest limit in which an image of this size can be enlarged, in whatever tiles.
uint64_t smallest_memory(const NetworkFile& file, Size image, const PlanTarget& target);

class NetworkUpscale : public UpscaleJob {
 public:
  // file: outlives this.
  NetworkUpscale(NetworkFile& file, const UpscaleMemory& memory, UpscaleRequest request, const Callbacks& callbacks)
      : UpscaleJob(memory, std::move(request), callbacks), file_(file) {}

 private:
  Image enlarge(const Image& image, std::optional<TileGrid>& grid) override;
  int64_t scale() const override { return file_.network().config().scale(); }
  Infotext describe() const override;
  // x [1, h, w, 3] in [-1, 1] -> [1, scale h, scale w, 3] in [-1, 1], and a half byte more
  Tensor enlarge_tile(const Tensor& x) const;

  NetworkFile& file_;
};

}  // namespace easel
