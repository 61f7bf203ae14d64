// An image made larger by an ESRGAN network. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/upscale_job.h"
#include "easel/upscale/rrdbnet.h"

namespace easel {

// What the network needs for its intermediate results on an image of this size.
uint64_t rrdbnet_activation_bytes(const RrdbNetConfig& config, int64_t rows, int64_t columns);

class NetworkUpscale : public UpscaleJob {
 public:
  // model_name: for the settings' text.
  NetworkUpscale(const RrdbNet& network, std::string model_name, const Device& device, uint64_t memory_limit_bytes,
                 UpscaleRequest request, const Callbacks& callbacks)
      : UpscaleJob(device, memory_limit_bytes, std::move(request), callbacks),
        network_(network),
        model_name_(std::move(model_name)) {}

 private:
  Image enlarge(const Image& image, std::optional<TileGrid>& grid) override;
  int64_t scale() const override { return network_.config().scale(); }
  Infotext describe() const override;
  // x [1, h, w, 3] in [-1, 1] -> [1, scale h, scale w, 3] in [-1, 1], and a half byte more
  Tensor enlarge_tile(const Tensor& x) const;

  const RrdbNet& network_;
  std::string model_name_;
};

}  // namespace easel
